import { float32Tensor, makeTensor, type Tensor } from '../../onnx/tensor.ts';
import type { EncodedSpeech } from './graphs/speech-memory.ts';

/**
 * Where the encoder writes what it heard, used again from utterance to utterance: arrays made anew for each would be garbage of 0.7 MB for 11 s
 * that V8 hardly sees, because it lies outside its heap, and so leaves lying about.
 */
export class EncoderOutputs {
  readonly #hidden: number;
  readonly #unit = new Float32Array(1);
  #states = new Float32Array(0);
  #rounded = new Int8Array(0);
  #turned = new Int8Array(0);

  constructor(hidden: number) {
    this.#hidden = hidden;
  }

  /** Room for an utterance of so many frames, by the names of the graph's outputs. */
  tensors(frames: number): Readonly<Record<string, Tensor>> {
    const hidden = this.#hidden;
    const length = frames * hidden;
    if (this.#states.length < length) {
      this.#states = new Float32Array(length);
      this.#rounded = new Int8Array(length);
      this.#turned = new Int8Array(length);
    }
    return {
      states: float32Tensor(this.#states.subarray(0, length), [1, frames, hidden]),
      rounded: makeTensor(this.#rounded.subarray(0, length), [1, frames, hidden]),
      turned: makeTensor(this.#turned.subarray(0, length), [1, hidden, frames]),
      unit: float32Tensor(this.#unit, []),
    };
  }

  /** What a run wrote there. */
  speech(frames: number): EncodedSpeech {
    const length = frames * this.#hidden;
    return {
      states: this.#states.subarray(0, length),
      frames,
      rounded: {
        states: this.#rounded.subarray(0, length),
        turned: this.#turned.subarray(0, length),
        unit: this.#unit[0] ?? 0,
      },
    };
  }
}
