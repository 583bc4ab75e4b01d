/** Samples one voice-detector frame moves on: 32 ms at 16 kHz. */
export const FRAME_SAMPLES = 512;

/** Samples before a frame that the detector sees too. */
export const CONTEXT_SAMPLES = 64;

/** What the detector remembers between blocks of frames: its LSTM's [2, 1, 128] state and the last samples heard. */
export interface VadState {
  readonly hidden: Float32Array;
  readonly context: Float32Array;
}

/** State at the start of a recording. */
export function initialVadState(): VadState {
  return { hidden: new Float32Array(2 * 128), context: new Float32Array(CONTEXT_SAMPLES) };
}
