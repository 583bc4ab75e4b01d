import { textWidth } from '../formats/characters.ts';
import type { Word } from '../transcript.ts';
import { wordStarts } from '../util/words.ts';

/** A stretch of sound in seconds from the start of the recording. */
export interface TimeSpan {
  readonly startSecond: number;
  readonly endSecond: number;
}

/** A readable piece of a chunk's text with its place, and with its words where they are known. */
export interface TimedText extends TimeSpan {
  readonly text: string;
  readonly words?: readonly Word[];
}

/** Wider pieces are cut at a clause end: what a subtitle can hold (84 characters in two lines, read in about 6 s). */
const WIDEST_PIECE = 84;
const NARROWEST_PIECE = 12;
/** A boundary moves to a pause that lies no farther from its estimated place. */
const SNAP_SECONDS = 1;

/**
 * Cuts a chunk's text into sentences, long ones into clauses, and gives each its place: from its first word's start to its last
 * one's end when `words` (those of `splitWords`, in order) are given. Without them a boundary is put where speech (pauses left out) has
 * run in proportion to the characters before it, then moved to the nearest pause of the voice detector, if one is near.
 */
export function splitIntoSegments(
  text: string,
  speech: readonly TimeSpan[],
  words?: readonly Word[],
): TimedText[] {
  const trimmed = text.trim();
  const starts = wordStarts(trimmed);
  const pieces = cutText(trimmed, starts);
  return words?.length === starts.length
    ? placeByWords(pieces, words)
    : placeBySpeech(
        pieces.map((piece) => piece.text),
        speech,
      );
}

/** A piece of text and how many words it has. */
interface Piece {
  readonly text: string;
  readonly words: number;
}

function cutText(text: string, starts: readonly number[]): Piece[] {
  const cuts = sentenceCuts(text, new Set(starts));
  const ends = [...cuts, text.length];
  return ends
    .flatMap((end, index) => cutLong({ text, starts }, cuts[index - 1] ?? 0, end))
    .map(({ start, end }) => ({
      text: text.slice(start, end).trim(),
      words: starts.filter((word) => word >= start && word < end).length,
    }))
    .filter((piece) => piece.text !== '');
}

function placeByWords(pieces: readonly Piece[], words: readonly Word[]): TimedText[] {
  let from = 0;
  return pieces.flatMap((piece) => {
    const own = words.slice(from, from + piece.words);
    from += own.length;
    const [first, last] = [own[0], own.at(-1)];
    if (first === undefined || last === undefined) return [];
    return [{ text: piece.text, startSecond: first.startSecond, endSecond: last.endSecond, words: own }];
  });
}

function placeBySpeech(pieces: readonly string[], speech: readonly TimeSpan[]): TimedText[] {
  const first = speech[0];
  const last = speech.at(-1);
  if (pieces.length === 0 || first === undefined || last === undefined) return [];
  const lengths = pieces.map((piece) => piece.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const segments: TimedText[] = [];
  let start = first.startSecond;
  let characters = 0;
  for (const [index, piece] of pieces.entries()) {
    characters += piece.length;
    const boundary =
      index === pieces.length - 1
        ? { endSecond: last.endSecond, nextStartSecond: last.endSecond }
        : boundaryAt(characters / total, speech, start);
    segments.push({ text: piece, startSecond: start, endSecond: boundary.endSecond });
    start = boundary.nextStartSecond;
  }
  return segments;
}

/**
 * Sentence ends with closing quotes, before a space and something that can start a sentence; not after common abbreviations. Text
 * without spaces ends its sentences with full-width signs, or with narrow ones behind its letters; a quotation that a particle follows
 * ends none.
 */
const SPACED_END = /[.!?…。！？｡؟۔।॥]+["'”’)」』）]*\s+(?=["'“‘(「『（]*[\p{Lu}\p{Lo}\d])/gu;
const UNSPACED_END =
  /(?:[。！？｡]|(?<=[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}ー])(?:[!?]|\.(?=[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}])))[。！？｡.!?…]*["'”’)」』）】》〉]*(?=[“‘(「『（【《〈]*[\p{L}\p{N}])(?!(?<=[」』])\p{sc=Hiragana})/gu;
const ABBREVIATION_END =
  /(?:\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|No|Prof|Gen|Col|Capt|Lt|Sen|Rep|etc)|\b\p{Lu})\.\s*$/u;

/** Where the second and every later sentence begins; always at a word's start. */
function sentenceCuts(text: string, starts: ReadonlySet<number>): number[] {
  const ends = [...text.matchAll(SPACED_END), ...text.matchAll(UNSPACED_END)]
    .map((match) => match.index + match[0].length)
    .sort((a, b) => a - b);
  let previous = 0;
  return ends.filter((end) => {
    if (end <= previous || !starts.has(end) || ABBREVIATION_END.test(text.slice(previous, end))) return false;
    previous = end;
    return true;
  });
}

interface Stretch {
  readonly start: number;
  readonly end: number;
}

interface CutText {
  readonly text: string;
  readonly starts: readonly number[];
}

/** Halves a long stretch at the clause end or, failing that, the space (in text without spaces the word's end) nearest to its middle. */
function cutLong(whole: CutText, start: number, end: number): Stretch[] {
  const stretch = whole.text.slice(start, end).trimEnd();
  if (textWidth(stretch) <= WIDEST_PIECE) return [{ start, end }];
  const words = whole.starts.filter((word) => word > start && word < end).map((word) => word - start);
  const isWord = new Set(words);
  const ends = (pattern: RegExp) =>
    [...stretch.matchAll(pattern)]
      .map((match) => match.index + match[0].length)
      .filter((at) => isWord.has(at));
  const cut =
    nearestToMiddle(stretch, ends(/[,;:—–،؛]["'”’)]*\s+|[、，；：､]["'”’)」』）]*\s*/g)) ??
    nearestToMiddle(stretch, ends(/\s+/g)) ??
    nearestToMiddle(stretch, words);
  if (cut === undefined) return [{ start, end }];
  return [...cutLong(whole, start, start + cut), ...cutLong(whole, start + cut, end)];
}

function nearestToMiddle(stretch: string, cuts: readonly number[]): number | undefined {
  const total = textWidth(stretch);
  const places = cuts
    .map((cut) => ({ cut, before: textWidth(stretch.slice(0, cut)) }))
    .filter(({ before }) => before >= NARROWEST_PIECE && total - before >= NARROWEST_PIECE);
  const distance = ({ before }: { readonly before: number }): number => Math.abs(before - total / 2);
  return places.sort((a, b) => distance(a) - distance(b))[0]?.cut;
}

function boundaryAt(
  share: number,
  speech: readonly TimeSpan[],
  afterSecond: number,
): { endSecond: number; nextStartSecond: number } {
  const estimate = timeAtShareOfSpeech(share, speech);
  let nearest: { endSecond: number; nextStartSecond: number } | undefined;
  let distance = SNAP_SECONDS;
  for (let index = 1; index < speech.length; index += 1) {
    const endSecond = speech[index - 1]?.endSecond ?? 0;
    const nextStartSecond = speech[index]?.startSecond ?? 0;
    const away = Math.max(0, endSecond - estimate, estimate - nextStartSecond);
    if (endSecond > afterSecond && away < distance) {
      distance = away;
      nearest = { endSecond, nextStartSecond };
    }
  }
  const place = Math.max(estimate, afterSecond);
  return nearest ?? { endSecond: place, nextStartSecond: place };
}

/** The moment by which `share` (0..1) of the speech has been heard. */
function timeAtShareOfSpeech(share: number, speech: readonly TimeSpan[]): number {
  const total = speech.reduce((sum, span) => sum + span.endSecond - span.startSecond, 0);
  let left = total * share;
  for (const span of speech) {
    const length = span.endSecond - span.startSecond;
    if (left <= length) return span.startSecond + left;
    left -= length;
  }
  return speech.at(-1)?.endSecond ?? 0;
}
