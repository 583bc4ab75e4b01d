/** whisper.cpp answers nothing to less than 100 ms, and poorly to less than a second. */
const SHORTEST_SAMPLES = 16_000;

/** s16le samples as the binding wants them, filled with silence up to a second. The inverse of dividing by 32,768. */
export function toPcm(samples: Float32Array): ArrayBuffer {
  const pcm = new Int16Array(Math.max(samples.length, SHORTEST_SAMPLES));
  for (const [index, sample] of samples.entries())
    pcm[index] = Math.min(Math.max(Math.round(sample * 32_768), -32_768), 32_767);
  return pcm.buffer;
}

/** Whether nothing at all was recorded. */
export function isDigitalSilence(samples: Float32Array): boolean {
  return samples.every((sample) => sample === 0);
}
