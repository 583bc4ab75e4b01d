import libsamplerate from '@alexanderolsen/libsamplerate-js';
import { BoundedPool } from '../util/bounded-pool.ts';
import { SAMPLE_RATE } from './audio.ts';

/**
 * Turns mono sound of one rate into mono sound at SAMPLE_RATE, block by block. Blocks come out as the filter allows;
 * none is delayed in time.
 */
export interface Resampler extends Disposable {
  push(samples: Float32Array): Float32Array;
  /** The rest. Afterwards all that came out together is as long as what went in, to the nearest sample. */
  flush(): Float32Array;
}

/** Blocks fed at a time, in samples; the library's own buffers take no more than a million. */
const FLUSH_BLOCK = 512;

type Converter = Awaited<ReturnType<typeof libsamplerate.create>>;

/**
 * Each converter is a machine of its own with about 24 MiB, which the collector is slow to find: 30 requests at once took 500 MiB. The
 * work is done by one thread anyway.
 */
const converters = new BoundedPool<Converter>({
  most: 4,
  keepMs: 30_000,
  create: () =>
    libsamplerate.create(1, SAMPLE_RATE / 2, SAMPLE_RATE, {
      converterType: libsamplerate.ConverterType.SRC_SINC_MEDIUM_QUALITY,
    }),
});

/**
 * Opens a resampler, or waits until one of the others is closed: `using` or dispose does that. SRC_SINC_MEDIUM_QUALITY, measured on 44.1 and 48 kHz (one core of two):
 *
 * | converter | speed | at 7 kHz | at 7.5 kHz | from 8.2 kHz on |
 * | --- | --- | --- | --- | --- |
 * | best | 37 x real time | 0 dB | 0 dB | -148 dB |
 * | medium | 120 x | 0 dB | -13 dB | -120 dB |
 * | fastest | 260 x | -14 dB | -35 dB | -101 dB |
 * | linear | 1200 x | -1 dB | -1 dB | -1 dB: folds everything back |
 *
 * Fastest loses the consonants' top octave, best gains nothing that a 16-bit sample keeps.
 */
export async function createResampler(inputRate: number): Promise<Resampler> {
  if (inputRate === SAMPLE_RATE) return passThrough();
  // The library takes rates up to 192 kHz, but works with their ratio alone.
  const scale = inputRate > 192_000 ? 4 : 1;
  const converter = await converters.acquire();
  // Setting a rate also clears the filter of what it was fed before.
  converter.outputSampleRate = SAMPLE_RATE / scale;
  converter.inputSampleRate = inputRate / scale;
  let pushed = 0;
  let produced = 0;
  const push = (samples: Float32Array) => {
    pushed += samples.length;
    const output = samples.length === 0 ? samples : converter.full(samples);
    produced += output.length;
    return output;
  };
  return {
    push,
    flush() {
      const wanted = Math.round((pushed * SAMPLE_RATE) / inputRate);
      const missing = Math.max(0, wanted - produced);
      const rest = new Float32Array(missing);
      // The library cannot be told that the input has ended, so silence pushes the last samples through its filter.
      const silence = new Float32Array(FLUSH_BLOCK);
      for (let filled = 0; filled < missing; ) {
        const output = converter.full(silence).subarray(0, missing - filled);
        rest.set(output, filled);
        filled += output.length;
      }
      produced += missing;
      return rest;
    },
    [Symbol.dispose]: () => converters.release(converter),
  };
}

function passThrough(): Resampler {
  return { push: (samples) => samples, flush: () => new Float32Array(0), [Symbol.dispose]: () => undefined };
}

/**
 * The first resampler of a process takes 20 ms without a pause, while its WASM is compiled; a server does that before
 * its first request.
 */
export async function warmUpResampler(): Promise<void> {
  using resampler = await createResampler(SAMPLE_RATE / 2);
  resampler.push(new Float32Array(FLUSH_BLOCK));
}
