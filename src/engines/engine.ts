/** What an engine can do; requests that ask for more are refused before any work. */
export interface Capabilities {
  /** ISO 639-1 codes. */
  readonly languages: readonly string[];
  /** Longest chunk the engine transcribes well, in seconds. */
  readonly longestChunkSecond: number;
  /** Whether text can be biased by a prompt. */
  readonly prompt: boolean;
  /** Whether the engine samples at temperatures above 0. */
  readonly temperature: boolean;
  readonly translate: boolean;
  readonly words: boolean;
  /** Most chunks that gain from being decoded together. */
  readonly batchSize: number;
}

/** One piece of speech for one engine call. */
export interface Chunk {
  readonly id: number;
  /** [samples] mono f32 at 16 kHz: the speech with some of the sound around it. */
  readonly samples: Float32Array;
  /** How many samples of {@link samples} lie before and after the speech; the engine may leave some of them out. */
  readonly paddingBefore: number;
  readonly paddingAfter: number;
  /** How much of it the voice detector calls speech, in seconds: an empty answer to sure speech is tried again. */
  readonly speechSecond: number;
  /** 0 is greedy; above 0 tokens are drawn from softmax(logits / temperature). */
  readonly temperature: number;
}

/** What an engine answers for one chunk. */
export interface Hypothesis {
  /** Trimmed text; empty when the engine heard nothing. */
  readonly text: string;
  readonly tokens: readonly number[];
  /** Natural-log probability of each token of {@link tokens}, at temperature 1. */
  readonly logprobs: readonly number[];
  /** Mean log probability over the tokens and the end token. */
  readonly avgLogprob: number;
  /** Temperature that produced the text. */
  readonly temperature: number;
}

export type FinishedChunk =
  | { readonly id: number; readonly hypothesis: Hypothesis }
  | { readonly id: number; readonly error: Error };

/**
 * A loaded model. Chunks join with `admit` and leave through `step`, so that chunks of different requests share decoder steps;
 * between two steps the caller may admit and cancel more.
 */
export interface Engine {
  readonly capabilities: Capabilities;
  admit(chunk: Chunk): void;
  /** Forgets a chunk; unknown ids are fine. */
  cancel(id: number): void;
  /** Chunks admitted and not finished. */
  readonly size: number;
  /** Does one unit of work (one encoder run, or one decoder step for all) and answers the chunks it finished. */
  step(): Promise<readonly FinishedChunk[]>;
  close(): Promise<void>;
}
