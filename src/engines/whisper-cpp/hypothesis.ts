import { splitWords, wordStarts } from '../../util/words.ts';
import type { Hypothesis, SampleSpan, TimedText } from '../engine.ts';
import { joinPauses, pausesBetween } from '../pauses.ts';
import { compressionRatio, REPEATING_RATIO, withoutLoops } from '../repetition.ts';
import type { NativeResult } from './binding.ts';

const SAMPLE_RATE = 16_000;

export interface HeardChunk {
  readonly lengthSamples: number;
  /** Where the voice detector hears speech; times keep to it. */
  readonly speech?: readonly SampleSpan[] | undefined;
  /** The segments of the result are single tokens, and words are wanted of them. */
  readonly wantsWords: boolean;
  readonly temperature: number;
  /** The language, where it was the model that told it. */
  readonly language?: string | undefined;
}

/**
 * What the result of a run says. Token ids and probabilities do not come out of the binding: they are empty and 0. A text that is one
 * note of a sound, such as `[BLANK_AUDIO]` or `(music)`, is no speech; of a loop one turn is left.
 */
export function toHypothesis(native: NativeResult, chunk: HeardChunk): Hypothesis {
  const pieces = timePieces(wholeCharacters(native), chunk);
  const text = pieces.map((piece) => piece.text).join('');
  if (isAnnotation(text.trim())) return silence(chunk);
  const said = wordsOf(text, pieces);
  const kept = withoutLoops(numbersOf(said)).flatMap((index) => said[index] ?? []);
  const keptText = join(kept);
  const isCut = kept.length < said.length;
  const trouble = isCut
    ? 'loop-cut'
    : compressionRatio(inOneByte(keptText)) > REPEATING_RATIO
      ? 'unsure'
      : undefined;
  return {
    ...silence(chunk),
    text: keptText,
    ...(trouble && { trouble }),
    ...(chunk.language !== undefined && { language: chunk.language }),
    segments: chunk.wantsWords ? sentences(kept) : pieces.flatMap((piece) => shorten(piece, kept)),
    ...(chunk.wantsWords && {
      words: kept.map(({ text, startSecond, endSecond }) => ({ text, startSecond, endSecond })),
    }),
  };
}

/** Nothing was said. */
export function silence({
  temperature,
  wantsWords,
}: Pick<HeardChunk, 'temperature' | 'wantsWords'>): Hypothesis {
  return {
    text: '',
    tokens: [],
    tokenEnds: [],
    logprobs: [],
    avgLogprob: 0,
    temperature,
    segments: [],
    ...(wantsWords && { words: [] }),
  };
}

const ANNOTATION = /^(?:(?:\[[^\]]*\]|\([^)]*\)|（[^）]*）|【[^】]*】|\*[^*]*\*|♪[^♪]*♪|[♪♫♬.…\s-])\s*)*$/u;

/** Whether a text only names sounds: brackets, stars and notes of music with what is in them. */
export function isAnnotation(text: string): boolean {
  return ANNOTATION.test(text);
}

const BROKEN = '\uFFFD';

/** Characters that were cut apart, because a token ended inside of them, are broken in the pieces but whole in the result. */
function wholeCharacters({ segments, result }: NativeResult): NativeResult['segments'] {
  if (result.includes(BROKEN) || !segments.some(({ text }) => text.includes(BROKEN))) return segments;
  const whole: NativeResult['segments'][number][] = [];
  let offset = 0;
  let broken: NativeResult['segments'][number] | undefined;
  for (const segment of segments) {
    if (segment.text.includes(BROKEN)) {
      broken = { text: '', t0: broken?.t0 ?? segment.t0, t1: segment.t1 };
      continue;
    }
    const start = result.indexOf(segment.text, offset);
    if (broken !== undefined) whole.push({ ...broken, text: result.slice(offset, start) });
    whole.push(segment);
    broken = undefined;
    offset = start + segment.text.length;
  }
  if (broken !== undefined) whole.push({ ...broken, text: result.slice(offset) });
  return whole;
}

/** A piece of the result in seconds: inside the chunk, none before the last, and none begins or ends where nobody speaks. */
function timePieces(segments: NativeResult['segments'], { lengthSamples, speech }: HeardChunk): TimedText[] {
  const lengthSecond = lengthSamples / SAMPLE_RATE;
  const pauses = speech === undefined ? [] : joinPauses(pausesBetween(speech, lengthSamples));
  let from = 0;
  return segments.map(({ text, t0, t1 }) => {
    let startSecond = Math.min(Math.max(t0 / 1000, from), lengthSecond);
    let endSecond = Math.min(Math.max(t1 / 1000, startSecond), lengthSecond);
    const atStart = pauses.find((pause) => pause.startSecond <= startSecond && startSecond < pause.endSecond);
    if (atStart !== undefined && atStart.endSecond < endSecond) startSecond = atStart.endSecond;
    const atEnd = pauses.find((pause) => pause.startSecond < endSecond && endSecond <= pause.endSecond);
    if (atEnd !== undefined && atEnd.startSecond > startSecond) endSecond = atEnd.startSecond;
    from = endSecond;
    return { text, startSecond, endSecond };
  });
}

/** A word, the piece it begins in, and whether white space stands before it. */
interface SaidWord extends TimedText {
  readonly piece: TimedText;
  readonly isSpaced: boolean;
}

/** A word that shares a piece with others has its part of the piece's time, by length. */
function wordsOf(text: string, pieces: readonly TimedText[]): SaidWord[] {
  const starts = wordStarts(text);
  let offset = 0;
  const placed = pieces.map((piece) => {
    const start = offset + piece.text.length - piece.text.trimStart().length;
    const end = offset + piece.text.trimEnd().length;
    offset += piece.text.length;
    return { piece, start, end, behind: offset };
  });
  const timeAt = (place: number, { piece, start, end }: (typeof placed)[number]): number => {
    if (place <= start) return piece.startSecond;
    if (place >= end) return piece.endSecond;
    return piece.startSecond + ((piece.endSecond - piece.startSecond) * (place - start)) / (end - start);
  };
  return splitWords(text).flatMap((word, index) => {
    const start = starts[index] ?? 0;
    const end = start + word.length;
    const first = placed.find(({ behind }) => start < behind);
    const last = placed.find(({ behind }) => end <= behind);
    if (first === undefined || last === undefined) return [];
    const isSpaced = /\s/.test(text[start - 1] ?? '');
    const [startSecond, endSecond] = [timeAt(start, first), timeAt(end, last)];
    return [{ text: word, startSecond, endSecond, piece: first.piece, isSpaced }];
  });
}

/** Letters of other scripts than Latin have two or three bytes in UTF-8, which packs well without any repetition: one for each. */
function inOneByte(text: string): string {
  const letters = new Map<string, string>();
  return Array.from(text, (letter) => {
    const stand = letters.get(letter) ?? String.fromCharCode(32 + (letters.size % 95));
    letters.set(letter, stand);
    return stand;
  }).join('');
}

/** The same number for the same word, whatever its case and punctuation. */
function numbersOf(words: readonly SaidWord[]): number[] {
  const numbers = new Map<string, number>();
  return words.map(({ text }) => {
    const key = text.toLowerCase().replace(/[\p{P}\p{S}]+/gu, '') || text;
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  });
}

function join(words: readonly SaidWord[]): string {
  return words.map(({ text, isSpaced }, index) => (isSpaced && index > 0 ? ` ${text}` : text)).join('');
}

/** The piece with those of its words that are kept. */
function shorten(piece: TimedText, kept: readonly SaidWord[]): TimedText[] {
  const text = join(kept.filter((word) => word.piece === piece));
  return text === '' ? [] : [{ ...piece, text }];
}

const SENTENCE_END = /[.?!…。？！][\p{Pe}\p{Pf}"']*$/u;

/** With single tokens for pieces whisper.cpp's own segments are lost: words up to each end of a sentence take their place. */
function sentences(words: readonly SaidWord[]): TimedText[] {
  const segments: TimedText[] = [];
  let open: SaidWord[] = [];
  for (const [index, word] of words.entries()) {
    open.push(word);
    if (!SENTENCE_END.test(word.text) && index < words.length - 1) continue;
    const [first, last] = [open[0] ?? word, word];
    segments.push({ text: join(open), startSecond: first.startSecond, endSecond: last.endSecond });
    open = [];
  }
  return segments;
}
