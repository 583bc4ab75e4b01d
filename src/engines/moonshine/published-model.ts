import { ModelFileError } from '../../onnx/graph/model-file.ts';
import { float32Data, float32Tensor } from '../../onnx/tensor.ts';
import type { Attention, MoonshineBackend, SequenceBatch } from './backend.ts';
import { atLeast, MIN_ENCODER_SAMPLES } from './graphs/encoder-input.ts';
import type { EncodedSpeech } from './graphs/speech-memory.ts';
import { PublishedBatch } from './published-batch.ts';
import { openPublishedGraphs, type PublishedGraphs } from './published-graphs.ts';

const TRIED_SAMPLES = 4000;

/**
 * A Moonshine model run by the graphs its publisher ships, whatever its weights are called and however they are stored. Three to
 * four times slower than the graphs built from readable weights, without word times, and each process holds its own copy of the weights.
 */
export class PublishedModel implements MoonshineBackend {
  readonly sharesSteps = false;
  readonly #graphs: PublishedGraphs;

  private constructor(graphs: PublishedGraphs) {
    this.#graphs = graphs;
  }

  /** @throws ModelFileError when a file is missing or damaged, is not a graph of Moonshine, or cannot be run. */
  static async open(modelDirectory: string): Promise<PublishedModel> {
    const model = new PublishedModel(await openPublishedGraphs(modelDirectory));
    try {
      await model.#tryOut();
      return model;
    } catch (cause) {
      await model.close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ModelFileError(`the two files cannot be run together: ${reason}`, { cause });
    }
  }

  /** What does not fit is to be seen when the model is loaded, not by the first who speaks. */
  async #tryOut(): Promise<void> {
    const batch = this.createBatch<string>();
    batch.join('it', await this.encode(new Float32Array(TRIED_SAMPLES)));
    for (let step = 0; step < 2; step += 1)
      await batch.step(
        (_, { token }) => ({ token }),
        () => false,
      );
  }

  async encode(samples: Float32Array): Promise<EncodedSpeech> {
    const { encoder } = this.#graphs;
    const heard = atLeast(samples, MIN_ENCODER_SAMPLES);
    const outputs = await encoder.run({ input_values: float32Tensor(heard, [1, heard.length]) });
    const name = encoder.outputNames[0] ?? '';
    return { states: float32Data(outputs, name), frames: outputs[name]?.dims[1] ?? 0 };
  }

  async align(): Promise<Attention> {
    throw new Error('the published graphs give no word times');
  }

  createBatch<Key>(): SequenceBatch<Key> {
    return new PublishedBatch(this.#graphs);
  }

  async close(): Promise<void> {
    await this.#graphs.encoder.release();
    await this.#graphs.decoder.release();
  }
}
