/** A timed piece of a transcript: one sentence or phrase. Times are seconds from the start of the input. */
export interface Segment {
  readonly startSecond: number;
  readonly endSecond: number;
  /** Trimmed text, never empty. */
  readonly text: string;
  /** Start of the decoding window (the chunk) this segment came from. Equal for all segments of one chunk. */
  readonly windowStartSecond: number;
  /** Token ids of the engine's own vocabulary, without special tokens. */
  readonly tokens: readonly number[];
  /** Sampling temperature that produced the text. 0 is greedy. */
  readonly temperature: number;
  /** Mean natural-log probability of the chunk's tokens, end token included. */
  readonly avgLogprob: number;
  /** UTF-8 length over zlib length of the chunk's text, as in Whisper. Above 2.4 the text repeats itself. */
  readonly compressionRatio: number;
  /** 0..1: how likely the segment holds no speech, by the voice detector. */
  readonly noSpeechProbability: number;
  /** The segment's words in order, when word times were asked for. */
  readonly words?: readonly Word[];
  /** The segment's tokens in order, when they were asked for. */
  readonly logprobs?: readonly TokenLogprob[];
}

/** One token of the engine's vocabulary with its natural-log probability, at temperature 1 over the whole vocabulary. */
export interface TokenLogprob {
  /** Its text, leading space included; a replacement character where the token is a part of one. */
  readonly token: string;
  readonly logprob: number;
  /** UTF-8 bytes of the token. */
  readonly bytes: readonly number[];
}

/** One word with its place. Words never overlap. */
export interface Word {
  readonly text: string;
  readonly startSecond: number;
  readonly endSecond: number;
}

/** The whole answer for one recording. */
export interface Transcript {
  readonly task: 'transcribe' | 'translate';
  /** Public id of the model that answered. */
  readonly model: string;
  /** ISO 639-1 code of the spoken language. */
  readonly language: string;
  /** Length of the decoded input in seconds. */
  readonly durationSecond: number;
  /** Segment texts joined by single spaces, trimmed; empty when nothing was said. */
  readonly text: string;
  readonly segments: readonly Segment[];
  /** What could not be honoured, in words for the caller. */
  readonly warnings: readonly string[];
  /** What became of every second of the input, when the transcriber knows. */
  readonly coverage?: Coverage;
}

/** The three together are the duration. */
export interface Coverage {
  /** Handed to the engine, with the little sound around speech that it hears. */
  readonly transcribedSecond: number;
  /** No speech by the voice detector. */
  readonly silenceSecond: number;
  /** Speech that the engine failed on: it is missing in the text. */
  readonly failedSecond: number;
  readonly failed: readonly { readonly startSecond: number; readonly endSecond: number }[];
}

/** Joins segment texts the way {@link Transcript.text} promises. */
export function joinSegmentTexts(segments: readonly Pick<Segment, 'text'>[]): string {
  return segments
    .map((segment) => segment.text.trim())
    .filter((text) => text !== '')
    .join(' ');
}
