/** Samples a row of the encoder's input: the first convolution's stride. */
const ROW_SAMPLES = 64;
/** Taps of the first convolution. */
const KERNEL_SAMPLES = 127;

/** Fewest samples that give one encoder frame (56 ms); pad shorter sound with silence. */
export const MIN_ENCODER_SAMPLES = 895;

/**
 * `samples` as the encoder's input `audio` [rows, 64]: a view where the samples allow it, else one copy.
 * Samples past the last whole window of the first convolution are not heard, as in the stock model.
 * @throws RangeError below {@link MIN_ENCODER_SAMPLES}.
 */
export function encoderInput(samples: Float32Array): {
  data: Float32Array;
  dims: [rows: number, columns: number];
} {
  if (samples.length < MIN_ENCODER_SAMPLES) {
    throw new RangeError(
      `the encoder needs at least ${MIN_ENCODER_SAMPLES} samples, got ${samples.length}; pad them with silence`,
    );
  }
  // Windows start every row and end one sample before the end of the next row.
  const rows = Math.floor((samples.length - KERNEL_SAMPLES) / ROW_SAMPLES) + 2;
  const length = rows * ROW_SAMPLES;
  if (samples.length >= length) return { data: samples.subarray(0, length), dims: [rows, ROW_SAMPLES] };
  const data = new Float32Array(length);
  data.set(samples);
  return { data, dims: [rows, ROW_SAMPLES] };
}

/** The samples, with silence on both sides where they are fewer. */
export function atLeast(samples: Float32Array, length: number): Float32Array {
  if (samples.length >= length) return samples;
  const padded = new Float32Array(length);
  padded.set(samples, Math.floor((length - samples.length) / 2));
  return padded;
}

/** Frames the encoder makes of that many samples, 41.6 a second. The rest of the room in its output is padding. */
export function encoderFrames(samples: number): number {
  const first = convolved(samples, KERNEL_SAMPLES, ROW_SAMPLES);
  return convolved(convolved(first, 7, 3), 3, 2);
}

const convolved = (length: number, kernel: number, stride: number): number =>
  Math.floor((length - kernel) / stride) + 1;
