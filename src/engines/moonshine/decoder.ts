import type { NextToken, StepChoice } from './backend.ts';
import { BiasSearch, type BiasTrie, type Choice } from './bias.ts';
import { END_TOKEN, isTextToken } from './tokenizer.ts';

/** How one attempt at a chunk is decoded. */
export interface DecodingOptions {
  /** Most text tokens before the attempt is cut off. */
  readonly budget: number;
  /** 0 is greedy; above 0 tokens are drawn from softmax(logits / temperature). */
  readonly temperature: number;
  /** The end token is forbidden before so many tokens. */
  readonly minimumTokens: number;
  /** Uniform [0, 1) numbers; a test gives its own. */
  readonly random: () => number;
  /** Phrases to prefer. */
  readonly bias?: BiasTrie | undefined;
}

/** Phrases that were tried and given up cost steps: past so many times the budget none is tried any more. */
const MOST_STEPS_SHARE = 3;

/**
 * The tokens of one attempt as they grow: hand what the decoder answers to `accept`, until `finished`. A phrase
 * that is given up takes tokens back. Log probabilities are
 * natural, at temperature 1 and over the whole vocabulary.
 */
export class DecodedSequence {
  readonly tokens: number[] = [];
  readonly logprobs: number[] = [];
  /** Log probability of the end token where the sequence ended; undefined when the budget cut it off. */
  endLogprob: number | undefined;
  finished = false;
  readonly #options: DecodingOptions;
  readonly #search: BiasSearch | undefined;
  #steps = 0;

  constructor(options: DecodingOptions) {
    this.#options = options;
    this.#search = options.bias === undefined ? undefined : new BiasSearch(options.bias);
  }

  /** Whether the next choice needs the logits of the whole vocabulary: drawing does, forbidding the end token, and phrases to prefer. */
  get wantsLogits(): boolean {
    return this.#options.temperature > 0 || !this.#endAllowed || this.#search !== undefined;
  }

  /** Takes the decoder's answer; returns how to go on, or undefined when the sequence has ended. */
  accept(next: NextToken): StepChoice | undefined {
    this.#steps += 1;
    const plain = this.#choose(next);
    const { position, token, logprob } = this.#decide(plain, next);
    const back = position < this.tokens.length;
    this.tokens.length = position;
    this.logprobs.length = position;
    if (token === END_TOKEN) {
      this.endLogprob = logprob;
      this.finished = true;
      return undefined;
    }
    this.tokens.push(token);
    this.logprobs.push(logprob);
    this.finished = this.tokens.length >= this.#options.budget;
    if (this.finished) return undefined;
    return back ? { token, position } : { token };
  }

  #decide(plain: Choice, { token, logprob, logits }: NextToken): Choice & { position: number } {
    if (this.#search === undefined || logits === undefined) return { position: this.tokens.length, ...plain };
    const total = (logits[token] ?? 0) - logprob;
    const freely = this.#steps < this.#options.budget * MOST_STEPS_SHARE;
    return this.#search.decide(
      this.tokens,
      plain,
      logprob,
      (candidate) => (logits[candidate] ?? Number.NEGATIVE_INFINITY) - total,
      freely,
    );
  }

  /** Mean log probability over tokens and the end token, as Whisper's avg_logprob. */
  get averageLogprob(): number {
    const sum = this.logprobs.reduce((total, logprob) => total + logprob, this.endLogprob ?? 0);
    return sum / (this.logprobs.length + (this.endLogprob === undefined ? 0 : 1) || 1);
  }

  /** The same, as if phrases that were preferred had been the model's favourites: to compare attempts at a chunk with. */
  get score(): number {
    const length = this.logprobs.length + (this.endLogprob === undefined ? 0 : 1);
    return this.averageLogprob + (this.#search?.given ?? 0) / Math.max(1, length);
  }

  get #endAllowed(): boolean {
    return this.tokens.length >= this.#options.minimumTokens;
  }

  #choose({ token, logprob, logits }: NextToken): Choice {
    const { temperature } = this.#options;
    if (temperature === 0 && this.#endAllowed) return { token, logprob };
    if (logits === undefined) throw new Error('this choice needs the logits');
    const choice =
      temperature > 0 ? this.#sample(logits, this.#endAllowed) : argmax(logits, this.#endAllowed);
    return { token: choice, logprob: (logits[choice] ?? Number.NEGATIVE_INFINITY) - logSumExp(logits) };
  }

  #sample(logits: Float32Array, endAllowed: boolean): number {
    const { temperature, random } = this.#options;
    const best = argmax(logits, endAllowed);
    const peak = logits[best] ?? 0;
    let total = 0;
    for (let token = 0; token < logits.length; token += 1)
      if (isChoice(token, endAllowed)) total += Math.exp(((logits[token] ?? 0) - peak) / temperature);
    let left = random() * total;
    for (let token = 0; token < logits.length; token += 1) {
      if (!isChoice(token, endAllowed)) continue;
      left -= Math.exp(((logits[token] ?? 0) - peak) / temperature);
      if (left <= 0) return token;
    }
    return best;
  }
}

function isChoice(token: number, endAllowed: boolean): boolean {
  return isTextToken(token) || (token === END_TOKEN && endAllowed);
}

function argmax(logits: Float32Array, endAllowed: boolean): number {
  let best = endAllowed ? END_TOKEN : -1;
  let peak = endAllowed ? (logits[END_TOKEN] ?? 0) : Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token += 1) {
    const logit = logits[token] ?? 0;
    if (logit > peak && (endAllowed || token !== END_TOKEN)) {
      best = token;
      peak = logit;
    }
  }
  return best;
}

function logSumExp(logits: Float32Array): number {
  let peak = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > peak) peak = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - peak);
  return peak + Math.log(sum);
}
