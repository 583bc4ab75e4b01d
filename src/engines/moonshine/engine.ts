import type { Capabilities, Chunk, Engine, FinishedChunk, Hypothesis } from '../engine.ts';
import {
  type Attempt,
  type AttemptOptions,
  bestHypothesis,
  DEFAULT_ATTEMPTS,
  nextAttempt,
} from './attempts.ts';
import { DecodedSequence } from './decoder.ts';
import { type MoonshineGraphs, openStockGraphs, type SequenceState } from './graphs.ts';
import { decodeTokens } from './tokenizer.ts';

const SAMPLE_RATE = 16_000;

const CAPABILITIES: Capabilities = {
  languages: ['en'],
  longestChunkSecond: 30,
  prompt: false,
  temperature: true,
  translate: false,
  words: false,
  batchSize: 4,
};

/**
 * Text tokens allowed a second of sound. The authors' own guard against loops is 6, which cuts off fast readers: of the shared
 * clips the densest needs 6.9 (years and dates spelled out).
 */
const TOKENS_PER_SECOND = 9;
const FEWEST_TOKENS = 12;

/** Shortest input in samples that leaves the encoder one frame: (895 - 127) / 64 + 1 = 13 -> 3 -> 1. */
const SHORTEST_INPUT_SAMPLES = 1024;

interface ActiveChunk {
  readonly chunk: Chunk;
  readonly hypotheses: Hypothesis[];
  readonly temperature: number;
  readonly state: SequenceState;
  readonly sequence: DecodedSequence;
}

/** Moonshine over the graphs in `modelDirectory`. Sequences of all admitted chunks take each decoder step together. */
export async function openMoonshineEngine(modelDirectory: string): Promise<Engine> {
  return new MoonshineEngine(await openStockGraphs(modelDirectory));
}

/** A chunk is waiting (for the encoder) -> active (one token a step) -> finished, or waiting again for another attempt. */
export class MoonshineEngine implements Engine {
  readonly capabilities = CAPABILITIES;
  readonly #graphs: MoonshineGraphs;
  readonly #waiting: { chunk: Chunk; hypotheses: Hypothesis[] }[] = [];
  #active: ActiveChunk[] = [];

  readonly #attempts: AttemptOptions;

  constructor(graphs: MoonshineGraphs, attempts: AttemptOptions = DEFAULT_ATTEMPTS) {
    this.#graphs = graphs;
    this.#attempts = attempts;
  }

  get size(): number {
    return this.#waiting.length + this.#active.length;
  }

  admit(chunk: Chunk): void {
    this.#waiting.push({ chunk, hypotheses: [] });
  }

  cancel(id: number): void {
    const waiting = this.#waiting.findIndex((entry) => entry.chunk.id === id);
    if (waiting >= 0) this.#waiting.splice(waiting, 1);
    this.#active = this.#active.filter((entry) => entry.chunk.id !== id);
  }

  async step(): Promise<readonly FinishedChunk[]> {
    const next = this.#waiting.shift();
    return next === undefined ? this.#decodeStep() : this.#encode(next.chunk, next.hypotheses);
  }

  close(): Promise<void> {
    this.#waiting.length = 0;
    this.#active = [];
    return this.#graphs.close();
  }

  async #encode(chunk: Chunk, hypotheses: Hypothesis[]): Promise<readonly FinishedChunk[]> {
    const attempt = nextAttempt(chunk, hypotheses, this.#attempts);
    if (attempt === undefined) return [finished(chunk, hypotheses)];
    try {
      const samples = cutAndPad(chunk, attempt);
      const state = await this.#graphs.encode(samples);
      const sequence = new DecodedSequence({
        budget: Math.max(FEWEST_TOKENS, Math.ceil((samples.length / SAMPLE_RATE) * TOKENS_PER_SECOND)),
        temperature: attempt.temperature,
        minimumTokens: attempt.minimumTokens,
        random: Math.random,
      });
      this.#active.push({ chunk, hypotheses, temperature: attempt.temperature, state, sequence });
      return [];
    } catch (error) {
      return [{ id: chunk.id, error: error instanceof Error ? error : new Error(String(error)) }];
    }
  }

  async #decodeStep(): Promise<readonly FinishedChunk[]> {
    const active = this.#active;
    if (active.length === 0) return [];
    const answers = await this.#graphs.step(
      active.map((entry) => entry.state),
      active.map((entry) => entry.sequence.next),
    );
    for (const [index, entry] of active.entries()) {
      const answer = answers[index];
      if (answer !== undefined) entry.sequence.accept(answer.logits);
    }
    this.#active = this.#active.filter((entry) => !entry.sequence.finished);
    return active.filter((entry) => entry.sequence.finished).flatMap((entry) => this.#conclude(entry));
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

/** The speech with as much of the sound around it as the attempt wants, then zeros; never below the encoder's shortest input. */
function cutAndPad(chunk: Chunk, attempt: Attempt): Float32Array {
  const sound = Math.round(attempt.soundSecond * SAMPLE_RATE);
  const from = Math.max(0, chunk.paddingBefore - sound);
  const to = chunk.samples.length - Math.max(0, chunk.paddingAfter - sound);
  const kept = chunk.samples.subarray(from, to);
  const silence = Math.round(attempt.silenceSecond * SAMPLE_RATE);
  const length = Math.max(kept.length + 2 * silence, SHORTEST_INPUT_SAMPLES);
  if (length === kept.length) return kept;
  const padded = new Float32Array(length);
  padded.set(kept, Math.max(silence, Math.floor((length - kept.length) / 2)));
  return padded;
}
