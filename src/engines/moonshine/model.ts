import { type InferenceSession, openSession } from '../../onnx/session.ts';
import {
  float32Data,
  float32Tensor,
  int64Data,
  int64Tensor,
  makeTensor,
  type Tensor,
} from '../../onnx/tensor.ts';
import { encoderFrames, encoderInput, MIN_ENCODER_SAMPLES } from './graphs/encoder-input.ts';
import { type EncodedSpeech, KvCache } from './graphs/kv-cache.ts';
import { type MoonshineGraphs, moonshineGraphs } from './graphs/moonshine-graphs.ts';
import type { MoonshineDescription, MoonshineShape } from './graphs/shape.ts';
import { START_TOKEN } from './tokenizer.ts';

export type { EncodedSpeech } from './graphs/kv-cache.ts';

/** Added to the score of what is not to be heard. */
const MASKED = -1e9;

/** What the decoder says about the next token of one sequence. */
export interface NextToken {
  /** The most probable token and its natural-log probability over the whole vocabulary. */
  readonly token: number;
  readonly logprob: number;
  /** [vocabulary] unnormalised log probabilities, when they were asked for. */
  readonly logits?: Float32Array;
}

/** Cross-attention of the description's alignment heads over finished tokens. */
export interface Attention {
  /** [heads, rows, room]: row i is where the decoder listened to choose token i; the last row chose the end. */
  readonly weights: Float32Array;
  readonly rows: number;
  /** Encoder frames of the speech; the rest of the room is padding. */
  readonly frames: number;
  readonly room: number;
}

/** How a sequence goes on. */
export interface StepChoice {
  readonly token: number;
  /** Which of its tokens this one replaces, with all behind it; otherwise it follows the last. */
  readonly position?: number;
}

export interface MoonshineModelOptions {
  /** The shipped files. */
  readonly modelDirectory: string;
  /** Where the graphs built from them are kept. */
  readonly cacheDirectory: string;
  /** Of another model than Moonshine tiny, or with other heads to study. */
  readonly description?: MoonshineDescription;
  /** Told before a graph is built, which happens once and takes about a second. */
  readonly onBuild?: (name: string) => void;
}

/** The two sessions of a Moonshine model: an encoder for one utterance a run, a decoder step for many sequences. */
export class MoonshineModel {
  readonly #encoder: InferenceSession;
  readonly #decoder: InferenceSession;
  readonly #alignmentPath: string;
  readonly #shape: MoonshineShape;
  #alignment: Promise<InferenceSession> | undefined;

  private constructor(encoder: InferenceSession, decoder: InferenceSession, graphs: MoonshineGraphs) {
    this.#encoder = encoder;
    this.#decoder = decoder;
    this.#alignmentPath = graphs.alignment;
    this.#shape = graphs.shape;
  }

  /** Builds the graphs or finds them in the cache, and loads them. */
  static async open(options: MoonshineModelOptions): Promise<MoonshineModel> {
    const graphs = await moonshineGraphs(options);
    const encoder = await openSession(graphs.encoder);
    const decoder = await openSession(graphs.decoderStep);
    return new MoonshineModel(encoder, decoder, graphs);
  }

  /** [samples] f32 at 16 kHz to what the decoder attends to; input below the encoder's shortest is filled up with silence. */
  async encode(samples: Float32Array): Promise<EncodedSpeech> {
    const heard = atLeast(samples, MIN_ENCODER_SAMPLES);
    const { data, dims } = encoderInput(heard);
    const outputs = await this.#encoder.run({ audio: float32Tensor(data, dims) });
    return {
      keys: float32Data(outputs, 'keys'),
      values: float32Data(outputs, 'values'),
      frames: encoderFrames(heard.length),
    };
  }

  /** Where in the speech each of `tokens` and the end after them was heard. The graph is loaded by the first call. */
  async align(speech: EncodedSpeech, tokens: readonly number[]): Promise<Attention> {
    this.#alignment ??= openSession(this.#alignmentPath);
    const session = await this.#alignment;
    const outputs = await session.run(alignmentFeeds(this.#shape, speech, [START_TOKEN, ...tokens]));
    return {
      weights: float32Data(outputs, 'weights'),
      rows: tokens.length + 1,
      frames: speech.frames,
      room: outputs.weights?.dims.at(-1) ?? 0,
    };
  }

  /** An empty batch of sequences keyed by whatever the caller likes. */
  createBatch<Key>(): DecoderBatch<Key> {
    return new DecoderBatch(this.#decoder, this.#shape);
  }

  async close(): Promise<void> {
    await this.#encoder.release();
    await this.#decoder.release();
    await (await this.#alignment)?.release();
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
   * Runs one step and hands each sequence's answer to `choose`, which names the token to go on with (or to go back
   * with), or undefined to end the sequence, which then leaves. `wantsLogits` asks for the [vocabulary] logits too, which costs a copy.
   */
  async step(
    choose: (key: Key, next: NextToken) => StepChoice | undefined,
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
      const choice = choose(key, row === undefined ? next : { ...next, logits: row });
      if (choice === undefined) ended.push(key);
      // The start token stands before the sequence's first.
      else if (choice.position !== undefined) this.#cache.rewind(slot, choice.position + 1, choice.token);
      else this.#cache.advance(slot, choice.token, fresh);
    }
    for (const key of ended) this.leave(key);
  }
}

function alignmentFeeds(
  { layers, heads, headSize, hidden }: MoonshineShape,
  { keys, values, frames }: EncodedSpeech,
  tokens: readonly number[],
): Record<string, Tensor> {
  const length = tokens.length;
  const room = keys.length / (layers * hidden);
  const causal = new Float32Array(length * length);
  for (let row = 0; row < length; row += 1) causal.fill(MASKED, row * length + row + 1, (row + 1) * length);
  const feeds: Record<string, Tensor> = {
    tokens: int64Tensor(tokens, [1, length]),
    positions: int64Tensor([...tokens.keys()], [1, length]),
    self_mask: float32Tensor(causal, [1, 1, length, length]),
    cross_mask: float32Tensor(new Float32Array(room).fill(MASKED, frames), [1, 1, 1, room]),
  };
  for (let layer = 0; layer < layers; layer += 1) {
    const part = (array: Float32Array): Float32Array =>
      array.subarray(layer * hidden * room, (layer + 1) * hidden * room);
    feeds[`cross_key.${layer}`] = float32Tensor(part(keys), [1, heads, headSize, room]);
    feeds[`cross_value.${layer}`] = float32Tensor(part(values), [1, heads, room, headSize]);
  }
  return feeds;
}

function atLeast(samples: Float32Array, length: number): Float32Array {
  if (samples.length >= length) return samples;
  const padded = new Float32Array(length);
  padded.set(samples, Math.floor((length - samples.length) / 2));
  return padded;
}
