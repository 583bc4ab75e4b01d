import { float32Tensor, makeTensor, type Tensor } from '../../onnx/tensor.ts';
import type { MoonshineShape } from './graphs/shape.ts';

/**
 * Where the decoder step writes its answer for a batch, used again from step to step: arrays made anew for each would be garbage of 14 kB a
 * sequence and step (128 kB more with logits) that V8 hardly sees, because it lies outside its heap, and so leaves lying about. Read what a
 * step has written before the next one.
 */
export class StepOutputs {
  /** [batch] */
  readonly tokens: BigInt64Array;
  /** [batch] */
  readonly probabilities: Float32Array;
  /** [batch, 2 * layers, hidden] */
  readonly fresh: Float32Array;
  /** [batch, vocabulary], when they were asked for. */
  readonly logits: Float32Array | undefined;
  /** By the names of the graph's outputs. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly #batch: number;

  constructor({ layers, hidden, vocabulary }: MoonshineShape, batch: number, withLogits: boolean) {
    this.#batch = batch;
    this.tokens = new BigInt64Array(batch);
    this.probabilities = new Float32Array(batch);
    this.fresh = new Float32Array(batch * 2 * layers * hidden);
    this.logits = withLogits ? new Float32Array(batch * vocabulary) : undefined;
    this.tensors = {
      next_token: makeTensor(this.tokens, [batch, 1]),
      probability: float32Tensor(this.probabilities, [batch, 1]),
      fresh: float32Tensor(this.fresh, [batch, 2 * layers, hidden]),
      ...(this.logits && { logits: float32Tensor(this.logits, [batch, vocabulary]) }),
    };
  }

  fits(batch: number, withLogits: boolean): boolean {
    return batch === this.#batch && withLogits === (this.logits !== undefined);
  }
}
