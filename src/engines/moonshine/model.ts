import { type InferenceSession, openSession } from '../../onnx/session.ts';
import { float32Data, float32Tensor, int64Data, makeTensor } from '../../onnx/tensor.ts';
import { encoderInput, MIN_ENCODER_SAMPLES } from './graphs/encoder-input.ts';
import { type EncodedSpeech, KvCache } from './graphs/kv-cache.ts';
import { moonshineGraphs } from './graphs/moonshine-graphs.ts';
import type { MoonshineShape } from './graphs/shape.ts';
import { START_TOKEN } from './tokenizer.ts';

export type { EncodedSpeech } from './graphs/kv-cache.ts';

/** What the decoder says about the next token of one sequence. */
export interface NextToken {
  /** The most probable token and its natural-log probability over the whole vocabulary. */
  readonly token: number;
  readonly logprob: number;
  /** [vocabulary] unnormalised log probabilities, when they were asked for. */
  readonly logits?: Float32Array;
}

export interface MoonshineModelOptions {
  /** The shipped files. */
  readonly modelDirectory: string;
  /** Where the graphs built from them are kept. */
  readonly cacheDirectory: string;
  /** Told before a graph is built, which happens once and takes about a second. */
  readonly onBuild?: (name: string) => void;
}

/** The two sessions of a Moonshine model: an encoder for one utterance a run, a decoder step for many sequences. */
export class MoonshineModel {
  readonly #encoder: InferenceSession;
  readonly #decoder: InferenceSession;
  readonly #shape: MoonshineShape;

  private constructor(encoder: InferenceSession, decoder: InferenceSession, shape: MoonshineShape) {
    this.#encoder = encoder;
    this.#decoder = decoder;
    this.#shape = shape;
  }

  /** Builds the graphs or finds them in the cache, and loads them. */
  static async open(options: MoonshineModelOptions): Promise<MoonshineModel> {
    const graphs = await moonshineGraphs(options);
    const encoder = await openSession(graphs.encoder);
    const decoder = await openSession(graphs.decoderStep);
    return new MoonshineModel(encoder, decoder, graphs.shape);
  }

  /** [samples] f32 at 16 kHz to what the decoder attends to; input below the encoder's shortest is filled up with silence. */
  async encode(samples: Float32Array): Promise<EncodedSpeech> {
    const { data, dims } = encoderInput(atLeast(samples, MIN_ENCODER_SAMPLES));
    const outputs = await this.#encoder.run({ audio: float32Tensor(data, dims) });
    return {
      keys: float32Data(outputs, 'cross_keys'),
      values: float32Data(outputs, 'cross_values'),
      frames: outputs.cross_keys?.dims.at(-1) ?? 0,
    };
  }

  /** An empty batch of sequences keyed by whatever the caller likes. */
  createBatch<Key>(): DecoderBatch<Key> {
    return new DecoderBatch(this.#decoder, this.#shape);
  }

  async close(): Promise<void> {
    await this.#encoder.release();
    await this.#decoder.release();
  }
}

/** Sequences that take each decoder step together; they join and leave between steps and do not influence each other. */
export class DecoderBatch<Key> {
  readonly #session: InferenceSession;
  readonly #cache: KvCache<Key, ReturnType<typeof makeTensor>>;
  readonly #vocabulary: number;

  constructor(session: InferenceSession, shape: MoonshineShape) {
    this.#session = session;
    this.#cache = new KvCache(shape, makeTensor);
    this.#vocabulary = shape.vocabulary;
  }

  /** The sequences in the order of `step`'s answers; changes with `leave`. */
  get keys(): readonly Key[] {
    return this.#cache.keys;
  }

  join(key: Key, speech: EncodedSpeech): void {
    this.#cache.join(key, speech, START_TOKEN);
  }

  leave(key: Key): void {
    const slot = this.#cache.keys.indexOf(key);
    if (slot >= 0) this.#cache.leave(slot);
  }

  /**
   * Runs one step and hands each sequence's answer to `choose`, which names the token to go on with, or undefined to end the
   * sequence, which then leaves. `wantsLogits` asks for the [vocabulary] logits too, which costs a copy.
   */
  async step(
    choose: (key: Key, next: NextToken) => number | undefined,
    wantsLogits: (key: Key) => boolean,
  ): Promise<void> {
    const keys = [...this.#cache.keys];
    if (keys.length === 0) return;
    const withLogits = keys.some(wantsLogits);
    const fetches = ['next_token', 'probability', 'fresh', ...(withLogits ? ['logits'] : [])];
    const outputs = await this.#session.run(this.#cache.feeds(), fetches);
    const tokens = int64Data(outputs, 'next_token');
    const probabilities = float32Data(outputs, 'probability');
    const fresh = float32Data(outputs, 'fresh');
    const logits = withLogits ? float32Data(outputs, 'logits') : undefined;
    const ended: Key[] = [];
    for (const [slot, key] of keys.entries()) {
      const row = logits?.subarray(slot * this.#vocabulary, (slot + 1) * this.#vocabulary);
      const next = { token: Number(tokens[slot]), logprob: Math.log(probabilities[slot] ?? 0) };
      const token = choose(key, row === undefined ? next : { ...next, logits: row });
      if (token === undefined) ended.push(key);
      else this.#cache.advance(slot, token, fresh);
    }
    for (const key of ended) this.leave(key);
  }
}

function atLeast(samples: Float32Array, length: number): Float32Array {
  if (samples.length >= length) return samples;
  const padded = new Float32Array(length);
  padded.set(samples, Math.floor((length - samples.length) / 2));
  return padded;
}
