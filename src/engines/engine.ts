/** What an engine can do; requests that ask for more are refused before any work. */
export interface Capabilities {
  /** ISO 639-1 codes. */
  readonly languages: readonly string[];
  /** Longest chunk the engine transcribes well, in seconds. */
  readonly longestChunkSecond: number;
  /** Whether names and terms in a prompt bias the text. */
  readonly prompt: boolean;
  /** So much of a prompt counts, from its end; undefined where all of it does. */
  readonly promptTokens?: number;
  /** Where keywords and prompt share one text: how much of each counts; undefined where there is no such limit. */
  readonly promptRoom?: PromptRoom;
  /** Whether a prompt is taken as the text that came before; if not, only the names and terms in it are used. */
  readonly continuesPrompt?: boolean;
  /** Whether text can be biased toward given names and terms. */
  readonly keywords: boolean;
  /** Whether the engine samples at temperatures above 0. */
  readonly temperature: boolean;
  readonly translate: boolean;
  /** Times of single words. */
  readonly words: boolean;
  /** Log probabilities of single tokens. */
  readonly logprobs: boolean;
  /** Most chunks that gain from being decoded together; may be less once the model's files have been seen. */
  readonly batchSize: number;
  /** Tells the spoken language where none is given. */
  readonly detectsLanguage: boolean;
  /** A chunk costs as much as one of so many seconds, however short it is; undefined where the cost goes with the length. */
  readonly windowSecond?: number;
}

/** Most characters: of a prompt its end counts, of keywords the first ones. */
export interface PromptRoom {
  readonly prompt: number;
  readonly promptBesideKeywords: number;
  /** With what stands between them. */
  readonly keywords: number;
}

export interface SampleSpan {
  readonly startSample: number;
  readonly endSample: number;
}

/** One piece of speech for one engine call. */
export interface Chunk {
  readonly id: number;
  /** [samples] mono f32 at 16 kHz: the speech with some of the sound around it. */
  readonly samples: Float32Array;
  /** How many samples of {@link samples} lie before and after the speech; the engine may leave some of them out. */
  readonly paddingBefore: number;
  readonly paddingAfter: number;
  /** Where the voice detector hears speech, in samples of {@link samples}; word times keep to it. */
  readonly speech?: readonly SampleSpan[];
  /** How much of it the voice detector calls speech, in seconds: an empty answer to sure speech is tried again. */
  readonly speechSecond: number;
  /** 0 is greedy; above 0 tokens are drawn from softmax(logits / temperature). */
  readonly temperature: number;
  /** Give the words with their times. */
  readonly wantsWords?: boolean;
  /** Give the bytes of every token. */
  readonly wantsLogprobs?: boolean;
  /** Names and terms that the text is likely to hold. */
  readonly bias?: readonly BiasPhrase[];
  /** ISO 639-1 code of the spoken language; without one the engine's own choice. */
  readonly language?: string;
  /** `translate` gives English text. Default `transcribe`. */
  readonly task?: 'transcribe' | 'translate';
  /** The caller's prompt as it came, for engines that continue from text. */
  readonly prompt?: string;
}

/** A name or term to prefer over what sounds like it. */
export interface BiasPhrase {
  readonly text: string;
  /** `keyword`: named by the caller one by one; `prompt`: found in running text, so preferred less. */
  readonly source: 'keyword' | 'prompt';
}

/** Text with its place in seconds from the first sample of {@link Chunk.samples}. */
export interface TimedText {
  readonly text: string;
  readonly startSecond: number;
  readonly endSecond: number;
}

/** A word with its place in seconds from the first sample of {@link Chunk.samples}. */
export type TimedWord = TimedText;

/** What an engine answers for one chunk. */
export interface Hypothesis {
  /** Trimmed text; empty when the engine heard nothing. */
  readonly text: string;
  readonly tokens: readonly number[];
  /** Where each token ends in {@link text}, in UTF-16 units. */
  readonly tokenEnds: readonly number[];
  /** UTF-8 bytes of each token, its leading space included; when asked for. */
  readonly tokenBytes?: readonly (readonly number[])[];
  /** ISO 639-1 code of the language the engine heard, where it tells. */
  readonly language?: string;
  /** The engine's own pieces of {@link text} with their times, where it has them: in order, none empty. */
  readonly segments?: readonly TimedText[];
  /** The whitespace-separated pieces of {@link text} with their times; when asked for. */
  readonly words?: readonly TimedWord[];
  /** Natural-log probability of each token of {@link tokens}, at temperature 1. */
  readonly logprobs: readonly number[];
  /** Mean log probability over the tokens and the end token. */
  readonly avgLogprob: number;
  /** Temperature that produced the text. */
  readonly temperature: number;
  /** The best answer was a bad one: a loop of which one turn is left, no speech at all and left out, or merely improbable. */
  readonly trouble?: 'loop-cut' | 'dropped' | 'unsure';
}

/** Where a chunk's time went; steps that it shared with others count whole. */
export interface ChunkTiming {
  readonly encodeSecond: number;
  readonly textSecond: number;
}

export type FinishedChunk =
  | { readonly id: number; readonly hypothesis: Hypothesis; readonly timing?: ChunkTiming }
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
  /** Whether a cancelled chunk is still being computed because its computation cannot be stopped. */
  readonly lingering?: boolean;
  /** Does one unit of work (one encoder run, or one decoder step for all) and answers the chunks it finished. */
  step(): Promise<readonly FinishedChunk[]>;
  close(): Promise<void>;
}
