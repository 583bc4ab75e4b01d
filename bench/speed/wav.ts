import { wavBytes } from '../../test/support/audio-fixtures.ts';

/** [samples] f32 at 16 kHz as a 16-bit WAV file. */
export function wavOfSamples(samples: Float32Array): Buffer {
  let index = 0;
  return wavBytes({ seconds: samples.length / 16_000, generate: () => samples[index++] ?? 0 });
}
