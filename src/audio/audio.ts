/** Samples a second of all sound inside the project: mono, s16 on disk, f32 in [-1, 1] in memory. */
export const SAMPLE_RATE = 16_000;

/** Shortest audio a request may hold, in seconds (contract 5.2, E15). */
export const MINIMUM_AUDIO_SECONDS = 0.1;

/** An uploaded recording of unknown format, whole, on a local disk. */
export interface AudioSource {
  /** A path of our own making; the client's file name never touches the file system. */
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Decoded sound on disk: mono, signed 16-bit little-endian at {@link SAMPLE_RATE}. Inference processes read ranges of it,
 * so samples never cross a process border. The file may still grow while it is read.
 */
export interface PcmFile {
  readonly path: string;
  /** Where sample 0 lies in the file. */
  readonly offsetBytes: number;
}

export function samplesToSeconds(samples: number): number {
  return samples / SAMPLE_RATE;
}

export function secondsToSamples(seconds: number): number {
  return Math.round(seconds * SAMPLE_RATE);
}
