import { type InferenceSession, openSession } from '../../onnx/session.ts';
import { float32Data, float32Tensor, int64Tensor, makeTensor, type Tensor } from '../../onnx/tensor.ts';
import type { Attention, MoonshineBackend, NextToken, SequenceBatch, StepChoice } from './backend.ts';
import { EncoderOutputs } from './encoder-outputs.ts';
import { atLeast, encoderFrames, encoderInput, MIN_ENCODER_SAMPLES } from './graphs/encoder-input.ts';
import { KvCache } from './graphs/kv-cache.ts';
import { type MoonshineGraphs, moonshineGraphs } from './graphs/moonshine-graphs.ts';
import { MASKED, type MoonshineDescription, type MoonshineShape } from './graphs/shape.ts';
import type { EncodedSpeech } from './graphs/speech-memory.ts';
import { StepOutputs } from './step-outputs.ts';
import { START_TOKEN } from './tokenizer.ts';

export interface MoonshineModelOptions {
  /** The shipped files. */
  readonly modelDirectory: string;
  /** Where the graphs built from them are kept. */
  readonly cacheDirectory: string;
  /** Of another model than English Moonshine, or with other heads to study. */
  readonly description?: MoonshineDescription;
  /** Told before a graph is built, which happens once and takes about a second. */
  readonly onBuild?: (name: string) => void;
  /** Told graphs that were just built, unless they are those of the package's own model; throws when they are wrong. */
  readonly check?: (built: MoonshineModel) => Promise<void>;
}

/** The two sessions of a Moonshine model: an encoder for one utterance a run, a decoder step for many sequences. */
export class MoonshineModel implements MoonshineBackend {
  readonly sharesSteps = true;
  readonly #encoder: InferenceSession;
  readonly #decoder: InferenceSession;
  readonly #alignmentPath: string | undefined;
  readonly #shape: MoonshineShape;
  readonly #outputs: EncoderOutputs;
  #alignment: Promise<InferenceSession> | undefined;

  private constructor(encoder: InferenceSession, decoder: InferenceSession, graphs: MoonshineGraphs) {
    this.#encoder = encoder;
    this.#decoder = decoder;
    this.#alignmentPath = graphs.alignment;
    this.#shape = graphs.shape;
    this.#outputs = new EncoderOutputs(graphs.shape.hidden);
  }

  /** Builds the graphs or finds them in the cache, and loads them. */
  static async open(options: MoonshineModelOptions): Promise<MoonshineModel> {
    const { check, ...others } = options;
    const checkGraphs = async (graphs: MoonshineGraphs): Promise<void> => {
      const built = await MoonshineModel.#load(graphs);
      await check?.(built).finally(() => built.close());
    };
    const graphs = await moonshineGraphs({ ...others, ...(check && { check: checkGraphs }) });
    return MoonshineModel.#load(graphs);
  }

  static async #load(graphs: MoonshineGraphs): Promise<MoonshineModel> {
    const encoder = await openSession(graphs.encoder);
    const decoder = await openSession(graphs.decoderStep);
    return new MoonshineModel(encoder, decoder, graphs);
  }

  async encode(samples: Float32Array): Promise<EncodedSpeech> {
    const heard = atLeast(samples, MIN_ENCODER_SAMPLES);
    const { data, dims } = encoderInput(heard);
    const frames = encoderFrames(heard.length);
    await this.#encoder.run({ audio: float32Tensor(data, dims) }, this.#outputs.tensors(frames));
    return this.#outputs.speech(frames);
  }

  /** The graph is loaded by the first call. */
  async align(speech: EncodedSpeech, tokens: readonly number[]): Promise<Attention> {
    if (this.#alignmentPath === undefined) throw new Error('the model has no word times');
    this.#alignment ??= openSession(this.#alignmentPath);
    const session = await this.#alignment;
    const outputs = await session.run(alignmentFeeds(this.#shape, speech, [START_TOKEN, ...tokens]));
    return {
      weights: float32Data(outputs, 'weights'),
      rows: tokens.length + 1,
      frames: speech.frames,
    };
  }

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
export class DecoderBatch<Key> implements SequenceBatch<Key> {
  readonly #session: InferenceSession;
  readonly #cache: KvCache<Key, ReturnType<typeof makeTensor>>;
  readonly #shape: MoonshineShape;
  #outputs: StepOutputs | undefined;
  /** Left while a step runs, which reads the cache: their slots are given up after it. */
  readonly #leaving = new Set<Key>();
  #running = false;

  constructor(session: InferenceSession, shape: MoonshineShape) {
    this.#session = session;
    this.#cache = new KvCache(shape, makeTensor);
    this.#shape = shape;
  }

  get keys(): readonly Key[] {
    return this.#cache.keys.filter((key) => !this.#leaving.has(key));
  }

  join(key: Key, speech: EncodedSpeech): void {
    this.#cache.join(key, speech, START_TOKEN);
  }

  leave(key: Key): void {
    const slot = this.#cache.keys.indexOf(key);
    if (slot < 0) return;
    if (this.#running) this.#leaving.add(key);
    else this.#cache.leave(slot);
  }

  async step(
    choose: (key: Key, next: NextToken) => StepChoice | undefined,
    wantsLogits: (key: Key) => boolean,
  ): Promise<void> {
    const keys = [...this.#cache.keys];
    if (keys.length === 0) return;
    const withLogits = keys.some(wantsLogits);
    if (this.#outputs?.fits(keys.length, withLogits) !== true)
      this.#outputs = new StepOutputs(this.#shape, keys.length, withLogits);
    try {
      // It computes in a later turn of the event loop, and a message may come before.
      this.#running = true;
      await this.#session.run(this.#cache.feeds(), this.#outputs.tensors);
      this.#goOn(keys, this.#outputs, choose);
    } finally {
      this.#running = false;
      for (const key of this.#leaving) this.leave(key);
      this.#leaving.clear();
    }
  }

  #goOn(
    keys: readonly Key[],
    { tokens, probabilities, fresh, logits }: StepOutputs,
    choose: (key: Key, next: NextToken) => StepChoice | undefined,
  ): void {
    const { vocabulary } = this.#shape;
    for (const [slot, key] of keys.entries()) {
      if (this.#leaving.has(key)) continue;
      const row = logits?.subarray(slot * vocabulary, (slot + 1) * vocabulary);
      const next = { token: Number(tokens[slot]), logprob: Math.log(probabilities[slot] ?? 0) };
      const choice = choose(key, row === undefined ? next : { ...next, logits: row });
      if (choice === undefined) this.#leaving.add(key);
      // The start token stands before the sequence's first.
      else if (choice.position !== undefined) this.#cache.rewind(slot, choice.position + 1, choice.token);
      else this.#cache.advance(slot, choice.token, fresh);
    }
  }
}

function alignmentFeeds(
  { hidden }: MoonshineShape,
  { states, frames }: EncodedSpeech,
  tokens: readonly number[],
): Record<string, Tensor> {
  const length = tokens.length;
  const causal = new Float32Array(length * length);
  for (let row = 0; row < length; row += 1) causal.fill(MASKED, row * length + row + 1, (row + 1) * length);
  return {
    tokens: int64Tensor(tokens, [1, length]),
    positions: int64Tensor([...tokens.keys()], [1, length]),
    self_mask: float32Tensor(causal, [1, 1, length, length]),
    speech: float32Tensor(states.subarray(0, frames * hidden), [1, frames, hidden]),
  };
}
