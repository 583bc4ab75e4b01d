import type { Capabilities, Chunk, Engine, FinishedChunk, Hypothesis } from '../engine.ts';
import {
  type Attempt,
  type AttemptOptions,
  bestHypothesis,
  DEFAULT_ATTEMPTS,
  nextAttempt,
} from './attempts.ts';
import { DecodedSequence } from './decoder.ts';
import { type DecoderBatch, MoonshineModel, type MoonshineModelOptions } from './model.ts';
import { decodeTokens } from './tokenizer.ts';

const SAMPLE_RATE = 16_000;

const CAPABILITIES: Capabilities = {
  languages: ['en'],
  longestChunkSecond: 30,
  prompt: false,
  temperature: true,
  translate: false,
  words: false,
  batchSize: 8,
};

/**
 * Text tokens allowed a second of sound. The authors' own guard against loops is 6, which cuts off fast readers: of the shared
 * clips the densest needs 6.9 (years and dates spelled out).
 */
const TOKENS_PER_SECOND = 9;
const FEWEST_TOKENS = 12;

interface ActiveChunk {
  readonly chunk: Chunk;
  readonly hypotheses: Hypothesis[];
  readonly temperature: number;
  readonly sequence: DecodedSequence;
}

/** Moonshine from the files in a folder. */
export async function openMoonshineEngine(options: MoonshineModelOptions): Promise<Engine> {
  return new MoonshineEngine(await MoonshineModel.open(options));
}

/**
 * A chunk is waiting (for the encoder) -> active (one token a step, together with all others) -> finished, or waiting again for
 * another attempt.
 */
export class MoonshineEngine implements Engine {
  readonly capabilities = CAPABILITIES;
  readonly #model: MoonshineModel;
  readonly #waiting: { chunk: Chunk; hypotheses: Hypothesis[] }[] = [];
  readonly #batch: DecoderBatch<ActiveChunk>;
  readonly #attempts: AttemptOptions;

  constructor(model: MoonshineModel, attempts: AttemptOptions = DEFAULT_ATTEMPTS) {
    this.#model = model;
    this.#batch = model.createBatch();
    this.#attempts = attempts;
  }

  get size(): number {
    return this.#waiting.length + this.#batch.keys.length;
  }

  admit(chunk: Chunk): void {
    this.#waiting.push({ chunk, hypotheses: [] });
  }

  cancel(id: number): void {
    const waiting = this.#waiting.findIndex((entry) => entry.chunk.id === id);
    if (waiting >= 0) this.#waiting.splice(waiting, 1);
    for (const entry of [...this.#batch.keys]) if (entry.chunk.id === id) this.#batch.leave(entry);
  }

  async step(): Promise<readonly FinishedChunk[]> {
    const next = this.#waiting.shift();
    return next === undefined ? this.#decodeStep() : this.#encode(next.chunk, next.hypotheses);
  }

  close(): Promise<void> {
    this.#waiting.length = 0;
    return this.#model.close();
  }

  async #encode(chunk: Chunk, hypotheses: Hypothesis[]): Promise<readonly FinishedChunk[]> {
    const attempt = nextAttempt(chunk, hypotheses, this.#attempts);
    if (attempt === undefined) return [finished(chunk, hypotheses)];
    try {
      const samples = cutAndPad(chunk, attempt);
      const speech = await this.#model.encode(samples);
      const sequence = new DecodedSequence({
        budget: Math.max(FEWEST_TOKENS, Math.ceil((samples.length / SAMPLE_RATE) * TOKENS_PER_SECOND)),
        temperature: attempt.temperature,
        minimumTokens: attempt.minimumTokens,
        random: Math.random,
      });
      this.#batch.join({ chunk, hypotheses, temperature: attempt.temperature, sequence }, speech);
      return [];
    } catch (error) {
      return [{ id: chunk.id, error: error instanceof Error ? error : new Error(String(error)) }];
    }
  }

  async #decodeStep(): Promise<readonly FinishedChunk[]> {
    const ended: ActiveChunk[] = [];
    await this.#batch.step(
      (entry, next) => {
        const token = entry.sequence.accept(next);
        if (token === undefined) ended.push(entry);
        return token;
      },
      (entry) => entry.sequence.wantsLogits,
    );
    return ended.flatMap((entry) => this.#conclude(entry));
  }

  /** An attempt has ended: its chunk is finished, or waits for another one. */
  #conclude({ chunk, hypotheses, sequence, temperature }: ActiveChunk): FinishedChunk[] {
    hypotheses.push({
      text: decodeTokens(sequence.tokens).trim(),
      tokens: sequence.tokens,
      logprobs: sequence.logprobs,
      avgLogprob: sequence.averageLogprob,
      temperature,
    });
    if (nextAttempt(chunk, hypotheses, this.#attempts) === undefined) return [finished(chunk, hypotheses)];
    this.#waiting.unshift({ chunk, hypotheses });
    return [];
  }
}

function finished(chunk: Chunk, hypotheses: readonly Hypothesis[]): FinishedChunk {
  const hypothesis = bestHypothesis(hypotheses);
  return hypothesis === undefined
    ? { id: chunk.id, error: new Error('the chunk was never decoded') }
    : { id: chunk.id, hypothesis };
}

/** The speech with as much of the sound around it as the attempt wants, then zeros. */
function cutAndPad(chunk: Chunk, attempt: Attempt): Float32Array {
  const sound = Math.round(attempt.soundSecond * SAMPLE_RATE);
  const from = Math.max(0, chunk.paddingBefore - sound);
  const to = chunk.samples.length - Math.max(0, chunk.paddingAfter - sound);
  const kept = chunk.samples.subarray(from, to);
  const silence = Math.round(attempt.silenceSecond * SAMPLE_RATE);
  if (silence === 0) return kept;
  const padded = new Float32Array(kept.length + 2 * silence);
  padded.set(kept, silence);
  return padded;
}
