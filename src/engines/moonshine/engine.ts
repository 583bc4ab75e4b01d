import { capabilitiesOf, checkChunk, type ModelTraits } from '../capabilities.ts';
import type { EngineOptions } from '../create-engine.ts';
import type { BiasPhrase, Capabilities, Chunk, Engine, FinishedChunk, TimedWord } from '../engine.ts';
import {
  type Answer,
  type Attempt,
  type AttemptOptions,
  bestAnswer,
  DEFAULT_ATTEMPTS,
  nextAttempt,
} from './attempts.ts';
import type { MoonshineBackend, SequenceBatch } from './backend.ts';
import { type BiasStrength, type BiasTrie, buildBiasTrie, DEFAULT_STRENGTH } from './bias.ts';
import { DecodedSequence } from './decoder.ts';
import { descriptionOf, mostTokensPerSecond } from './flavours.ts';
import type { EncodedSpeech } from './graphs/speech-memory.ts';
import { openBackend } from './open-backend.ts';
import { presentable } from './presentable.ts';
import { createRandom } from './random.ts';
import { decodeTokens, tokenBytes } from './tokenizer.ts';
import { timeWords } from './word-times.ts';

const SAMPLE_RATE = 16_000;

const ENGLISH: ModelTraits = {
  engine: 'moonshine',
  languages: ['en'],
  abilities: { translate: false, words: true, prompt: true },
};

const FEWEST_TOKENS = 12;
/** The model has 512 positions; a chunk longer than any that the voice detector gives would run over them. */
const MOST_TOKENS = 500;
/** Lists of phrases whose tries are kept: the chunks of the requests that run now. */
const KEPT_TRIES = 16;

/** What was put into the model, and where it lies in the chunk. */
interface Heard {
  readonly samples: Float32Array;
  /** The chunk's time at its first sample, in seconds; below 0 in front of the chunk. */
  readonly startSecond: number;
}

interface WaitingChunk {
  readonly chunk: Chunk;
  readonly answers: EngineAnswer[];
  /** Grows with every attempt. */
  readonly spent: { encodeSecond: number; textSecond: number };
}

interface ActiveChunk extends WaitingChunk {
  readonly temperature: number;
  readonly sequence: DecodedSequence;
  /** For word times alone: a copy of the sound and its encoding are much to keep. */
  readonly source?: WordSource;
}

/** What words are found in. */
interface WordSource {
  readonly heard: Heard;
  readonly speech: EncodedSpeech;
}

/** An answer with what is needed to find its words. */
interface EngineAnswer extends Answer {
  readonly source?: WordSource;
}

/** Moonshine from the files in a folder. */
export async function openMoonshineEngine(options: EngineOptions): Promise<Engine> {
  const { modelDirectory, cacheDirectory, onBuild, onNotice, languages, abilities } = options;
  const traits = { ...ENGLISH, ...(languages && { languages }), ...(abilities && { abilities }) };
  const model = await openBackend({
    modelDirectory,
    cacheDirectory,
    description: descriptionOf(traits),
    words: traits.abilities.words,
    ...(onBuild && { onBuild }),
    ...(onNotice && { onNotice }),
  });
  return new MoonshineEngine(model, DEFAULT_ATTEMPTS, DEFAULT_STRENGTH, traits);
}

/**
 * A chunk is waiting (for the encoder) -> active (one token a step, together with all others) -> settled (its answer stands, words
 * are still to be found) -> finished; or waiting again for another attempt.
 */
export class MoonshineEngine implements Engine {
  readonly capabilities: Capabilities;
  readonly #tokensPerSecond: number;
  readonly #model: MoonshineBackend;
  readonly #waiting: WaitingChunk[] = [];
  readonly #batch: SequenceBatch<ActiveChunk>;
  readonly #settled: WaitingChunk[] = [];
  /** The chunk that is worked on alone, until it is cancelled. */
  #current: WaitingChunk | undefined;
  readonly #attempts: AttemptOptions;
  readonly #strength: BiasStrength;
  readonly #tries = new Map<string, BiasTrie>();
  /** The sound of an utterance with silence around it, used again for the next one. */
  #padded = new Float32Array(0);

  constructor(
    model: MoonshineBackend,
    attempts: AttemptOptions = DEFAULT_ATTEMPTS,
    strength: BiasStrength = DEFAULT_STRENGTH,
    traits: ModelTraits = ENGLISH,
  ) {
    const capabilities = capabilitiesOf(traits);
    this.capabilities = model.sharesSteps ? capabilities : { ...capabilities, batchSize: 1 };
    this.#tokensPerSecond = mostTokensPerSecond(traits.languages);
    this.#model = model;
    this.#batch = model.createBatch();
    this.#attempts = attempts;
    this.#strength = strength;
  }

  get size(): number {
    const current = this.#current === undefined ? 0 : 1;
    return current + this.#waiting.length + this.#batch.keys.length + this.#settled.length;
  }

  admit(chunk: Chunk): void {
    this.#waiting.push({ chunk, answers: [], spent: { encodeSecond: 0, textSecond: 0 } });
  }

  cancel(id: number): void {
    for (const list of [this.#waiting, this.#settled]) {
      const place = list.findIndex((entry) => entry.chunk.id === id);
      if (place >= 0) list.splice(place, 1);
    }
    for (const entry of [...this.#batch.keys]) if (entry.chunk.id === id) this.#batch.leave(entry);
    if (this.#current?.chunk.id === id) this.#current = undefined;
  }

  async step(): Promise<readonly FinishedChunk[]> {
    const settled = this.#settled.shift();
    if (settled !== undefined) return this.#attempt(settled, () => this.#finish(settled));
    const next = this.#waiting.shift();
    if (next !== undefined) return this.#attempt(next, () => this.#encode(next));
    return this.#decodeStep();
  }

  close(): Promise<void> {
    this.#waiting.length = 0;
    this.#settled.length = 0;
    for (const entry of [...this.#batch.keys]) this.#batch.leave(entry);
    return this.#model.close();
  }

  /** Work for one chunk alone: its failure is that chunk's. */
  async #attempt(
    entry: WaitingChunk,
    work: () => Promise<readonly FinishedChunk[]>,
  ): Promise<readonly FinishedChunk[]> {
    this.#current = entry;
    try {
      const finished = await work();
      return this.#current === entry ? finished : [];
    } catch (error) {
      if (this.#current !== entry) return [];
      return [{ id: entry.chunk.id, error: error instanceof Error ? error : new Error(String(error)) }];
    } finally {
      this.#current = undefined;
    }
  }

  async #encode(waiting: WaitingChunk): Promise<readonly FinishedChunk[]> {
    const { chunk, answers, spent } = waiting;
    checkChunk(chunk, this.capabilities);
    const attempt = nextAttempt(chunk, answers, this.#attempts);
    if (attempt === undefined) throw new Error('nothing is left to try');
    const wantsWords = chunk.wantsWords === true && this.capabilities.words;
    const heard = this.#cutAndPad(chunk, attempt, wantsWords);
    const startMs = performance.now();
    const speech = await this.#model.encode(heard.samples);
    spent.encodeSecond += secondsSince(startMs);
    if (this.#current !== waiting) return [];
    const { temperature, minimumTokens } = attempt;
    const sequence = new DecodedSequence({
      budget: this.#budgetFor(heard.samples.length / SAMPLE_RATE),
      temperature,
      minimumTokens,
      // A draw that was asked for is a new one each time; a fallback is part of the greedy answer.
      random: chunk.temperature > 0 ? Math.random : fallbackRandom(temperature, answers),
      bias: this.#trieFor(chunk.bias),
    });
    const source = wantsWords
      ? { heard, speech: { states: speech.states.slice(), frames: speech.frames } }
      : undefined;
    this.#batch.join({ chunk, answers, spent, temperature, sequence, ...(source && { source }) }, speech);
    return [];
  }

  async #decodeStep(): Promise<readonly FinishedChunk[]> {
    const ended: ActiveChunk[] = [];
    const taking = [...this.#batch.keys];
    const startMs = performance.now();
    await this.#batch.step(
      (entry, next) => {
        const choice = entry.sequence.accept(next);
        if (choice === undefined) ended.push(entry);
        return choice;
      },
      (entry) => entry.sequence.wantsLogits,
    );
    const second = secondsSince(startMs);
    for (const { spent } of taking) spent.textSecond += second;
    for (const entry of ended) this.#conclude(entry);
    return [];
  }

  /** An attempt has ended: its chunk is settled, or waits for another one. */
  #conclude({ chunk, answers, spent, sequence, temperature, source }: ActiveChunk): void {
    const { tokens, logprobs } = sequence;
    const { text, ends } = decodeTokens(tokens);
    answers.push({
      text,
      tokens,
      tokenEnds: ends,
      logprobs,
      avgLogprob: sequence.averageLogprob,
      score: sequence.score,
      cutOff: sequence.endLogprob === undefined,
      temperature,
      ...(source && { source }),
    });
    const settled = nextAttempt(chunk, answers, this.#attempts) === undefined;
    (settled ? this.#settled : this.#waiting).unshift({ chunk, answers, spent });
  }

  async #finish({ chunk, answers, spent }: WaitingChunk): Promise<readonly FinishedChunk[]> {
    const best = bestAnswer(answers, this.#attempts);
    if (best === undefined) throw new Error('the chunk was never decoded');
    const { source, score: _score, cutOff: _cutOff, ...hypothesis } = presentable(best, this.#attempts);
    const startMs = performance.now();
    const words = source === undefined ? undefined : await this.#timeWords(chunk, hypothesis.tokens, source);
    return [
      {
        id: chunk.id,
        timing: { ...spent, textSecond: spent.textSecond + secondsSince(startMs) },
        hypothesis: {
          ...hypothesis,
          ...(words && { words }),
          ...(chunk.wantsLogprobs === true && { tokenBytes: hypothesis.tokens.map(tokenBytes) }),
        },
      },
    ];
  }

  /** Times from the chunk's first sample, none of them outside the chunk. */
  async #timeWords(
    chunk: Chunk,
    tokens: readonly number[],
    { heard, speech }: WordSource,
  ): Promise<TimedWord[]> {
    if (tokens.length === 0) return [];
    const attention = await this.#model.align(speech, tokens);
    return timeWords({
      samples: heard.samples,
      attention,
      speech: chunk.speech?.map((span) => ({
        startSample: span.startSample - heard.startSecond * SAMPLE_RATE,
        endSample: span.endSample - heard.startSecond * SAMPLE_RATE,
      })),
      ...decodeTokens(tokens),
      from: Math.max(0, -heard.startSecond),
      to: chunk.samples.length / SAMPLE_RATE - heard.startSecond,
    }).map((word) => ({
      text: word.text,
      startSecond: word.startSecond + heard.startSecond,
      endSecond: word.endSecond + heard.startSecond,
    }));
  }

  /** The speech with as much of the sound around it as the attempt wants, then zeros. Kept, it is not in memory that the next one gets. */
  #cutAndPad(chunk: Chunk, attempt: Attempt, kept: boolean): Heard {
    const sound = Math.round(attempt.soundSecond * SAMPLE_RATE);
    const from = Math.max(0, chunk.paddingBefore - sound);
    const to = chunk.samples.length - Math.max(0, chunk.paddingAfter - sound);
    const cut = chunk.samples.subarray(from, to);
    const silence = Math.round(attempt.silenceSecond * SAMPLE_RATE);
    const startSecond = (from - silence) / SAMPLE_RATE;
    if (silence === 0) return { samples: cut, startSecond };
    const length = cut.length + 2 * silence;
    if (!kept && this.#padded.length < length) this.#padded = new Float32Array(length);
    const samples = kept ? new Float32Array(length) : this.#padded.subarray(0, length).fill(0);
    samples.set(cut, silence);
    return { samples, startSecond };
  }

  #budgetFor(seconds: number): number {
    return Math.min(MOST_TOKENS, Math.max(FEWEST_TOKENS, Math.ceil(seconds * this.#tokensPerSecond)));
  }

  #trieFor(bias: readonly BiasPhrase[] | undefined): BiasTrie | undefined {
    if (bias === undefined || bias.length === 0) return undefined;
    const key = JSON.stringify(bias);
    const trie = this.#tries.get(key) ?? buildBiasTrie(bias, this.#strength);
    // The newest last.
    this.#tries.delete(key);
    this.#tries.set(key, trie);
    for (const oldest of this.#tries.keys()) if (this.#tries.size > KEPT_TRIES) this.#tries.delete(oldest);
    return trie;
  }
}

function secondsSince(startMs: number): number {
  return (performance.now() - startMs) / 1000;
}

/** Depends on what was answered so far, not on what runs beside it. */
function fallbackRandom(temperature: number, answers: readonly Answer[]): () => number {
  return createRandom([Math.round(temperature * 10), ...(answers[0]?.tokens ?? [])]);
}
