import type { AudioSource } from '../audio/audio.ts';
import type { Segment, Transcript } from '../transcript.ts';

/** What a caller may ask of a transcription. Already validated; `model` and `language` are resolved here. */
export interface TranscribeOptions {
  /** Public id or alias. Throws ModelNotFoundError when unknown. */
  readonly model: string;
  /** `translate` gives English text for speech in another language. Default `transcribe`. */
  readonly task?: 'transcribe' | 'translate' | undefined;
  /** ISO 639-1 code, or undefined to have it detected where the model can. Throws UnsupportedLanguageError. */
  readonly language?: string | undefined;
  /** Languages it may be, the likeliest first, for a model that detects and without `language`. */
  readonly languages?: readonly string[] | undefined;
  readonly prompt?: string | undefined;
  /** 0..1, default 0. */
  readonly temperature?: number | undefined;
  /** Names and terms the text is likely to hold; ignored ones are said in the transcript's warnings. */
  readonly keywords?: readonly string[] | undefined;
  /** Give every segment its words with times. */
  readonly words?: boolean | undefined;
  /** Give every segment its tokens with log probabilities. */
  readonly logprobs?: boolean | undefined;
  /** Aborting frees the decoder, the queue place and the engine; the iteration then throws AbortedError. */
  readonly signal?: AbortSignal | undefined;
  /** Requests of one key share its turn; different keys take turns. */
  readonly key?: string | undefined;
  /** Told how many seconds are decoded so far, before an engine sees them. What it throws ends the work and is thrown on. */
  readonly onDecoded?: ((second: number) => void) | undefined;
  /** Told where time went, in parts that add up by stage. */
  readonly onTiming?: ((timing: StageTiming) => void) | undefined;
}

/**
 * `decode`: until the last sample is there. `load`: waiting for the model to be loaded. `detect`: the voice detector. `queue`: waiting
 * for an inference process. `encode` and `text`: the model's two halves. All but `decode` and `load` add up over tasks that may run at
 * the same time.
 */
export interface StageTiming {
  readonly stage: 'decode' | 'load' | 'detect' | 'queue' | 'encode' | 'text';
  readonly second: number;
}

/** What a model can do beyond plain transcription. */
export interface ModelAbilities {
  /** Times of single words. */
  readonly words: boolean;
  /** Log probabilities of tokens. */
  readonly logprobs: boolean;
  /** Bias toward given names and terms. */
  readonly keywords: boolean;
  /** English text for speech in other languages. */
  readonly translate: boolean;
  /** Tells the spoken language where none is given. */
  readonly detectsLanguage: boolean;
  /** Uses a prompt in any way. */
  readonly prompt: boolean;
  /** Samples at temperatures above 0. */
  readonly temperature: boolean;
}

export type TranscriptEvent =
  /** Known so far: seconds of input decoded, seconds of it fully transcribed. `totalSecond` once the end is known. */
  | {
      readonly type: 'transcription-progress';
      readonly decodedSecond: number;
      readonly finishedSecond: number;
      readonly totalSecond?: number;
    }
  /** A finished segment, in time order. */
  | { readonly type: 'segment-final'; readonly segment: Segment }
  /** Exactly once, last. */
  | { readonly type: 'transcript-final'; readonly transcript: Transcript };

/** Turns a recording into a transcript: locally, or by a service elsewhere. */
export interface Transcriber {
  /** Known without loading the model. Throws ModelNotFoundError for an unknown one. */
  abilities(model: string): ModelAbilities;
  /**
   * Events in order; ends after `transcript-final`. Throws StenographerError subclasses; bad audio fails before the first segment.
   * Leaving the iteration early stops the work.
   */
  transcribe(source: AudioSource, options: TranscribeOptions): AsyncIterable<TranscriptEvent>;
}

/** Runs a transcription to its end. */
export async function collectTranscript(
  events: AsyncIterable<TranscriptEvent>,
  onEvent?: (event: TranscriptEvent) => void,
): Promise<Transcript> {
  for await (const event of events) {
    onEvent?.(event);
    if (event.type === 'transcript-final') return event.transcript;
  }
  throw new Error('the transcriber ended without a transcript');
}
