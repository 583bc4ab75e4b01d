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
  /** ISO 639-1 code of the spoken language; {@link UNDETERMINED} when nobody can tell. */
  readonly language: string;
  /** Whether the model had to tell it from the sound. */
  readonly languageDetected?: boolean;
  /** Length of the decoded input in seconds. */
  readonly durationSecond: number;
  /** Segment texts joined by single spaces (Chinese and Japanese ones by nothing), trimmed; empty when nothing was said. */
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

/** ISO 639-2's code for a language that is not known. */
export const UNDETERMINED = 'und';

/** Joins segment texts the way {@link Transcript.text} promises. */
export function joinSegmentTexts(segments: readonly Pick<Segment, 'text'>[]): string {
  const texts = segments.map((segment) => segment.text.trim()).filter((text) => text !== '');
  return texts
    .map((text, index) => (index === 0 ? text : separatorBetween(texts[index - 1] ?? '', text) + text))
    .join('');
}

const FULL_WIDTH_END = /[。、，．！？；：」』）】》〉]$/u;
const LAST_LETTER = /[\p{L}\p{N}](?=[^\p{L}\p{N}]*$)/u;
const FIRST_LETTER = /[\p{L}\p{N}]/u;
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}ー]/u;

/** What stands between two texts that follow each other: a space, but nothing between Chinese or Japanese ones. */
export function separatorBetween(before: string, after: string): '' | ' ' {
  if (FULL_WIDTH_END.test(before)) return '';
  const last = LAST_LETTER.exec(before)?.[0] ?? '';
  const first = FIRST_LETTER.exec(after)?.[0] ?? '';
  return UNSPACED.test(last) && UNSPACED.test(first) ? '' : ' ';
}
