import type { Word } from '../transcript.ts';

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

/** Longer pieces are cut at a clause end: what a subtitle can hold (84 characters in two lines, read in about 6 s). */
const LONGEST_PIECE_CHARACTERS = 84;
const SHORTEST_PIECE_CHARACTERS = 12;
/** A boundary moves to a pause that lies no farther from its estimated place. */
const SNAP_SECONDS = 1;

/**
 * Cuts a chunk's text into sentences, long ones into clauses, and gives each its place: from its first word's start to its last
 * one's end when `words` (all of the text's, in order) are given. Without them a boundary is put where speech (pauses left out) has run
 * in proportion to the characters before it, then moved to the nearest pause of the voice detector, if one is near.
 */
export function splitIntoSegments(
  text: string,
  speech: readonly TimeSpan[],
  words?: readonly Word[],
): TimedText[] {
  const pieces = cutLongPieces(cutSentences(text.trim()));
  const counted = pieces.reduce((sum, piece) => sum + piece.split(/\s+/).length, 0);
  return words?.length === counted ? placeByWords(pieces, words) : placeBySpeech(pieces, speech);
}

function placeByWords(pieces: readonly string[], words: readonly Word[]): TimedText[] {
  let from = 0;
  return pieces.flatMap((text) => {
    const own = words.slice(from, from + text.split(/\s+/).length);
    from += own.length;
    const [first, last] = [own[0], own.at(-1)];
    if (first === undefined || last === undefined) return [];
    return [{ text, startSecond: first.startSecond, endSecond: last.endSecond, words: own }];
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

/** Sentence ends: . ! ? … with closing quotes, before a space and something that can start a sentence; not after common abbreviations. */
function cutSentences(text: string): string[] {
  const sentences: string[] = [];
  let rest = 0;
  for (const match of text.matchAll(/[.!?…]+["'”’)]*\s+(?=["'“‘(]*[\p{Lu}\d])/gu)) {
    const end = match.index + match[0].length;
    if (
      /(?:\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|No|Prof|Gen|Col|Capt|Lt|Sen|Rep|etc)|\b\p{Lu})\.\s*$/u.test(
        text.slice(rest, end),
      )
    )
      continue;
    sentences.push(text.slice(rest, end).trim());
    rest = end;
  }
  sentences.push(text.slice(rest).trim());
  return sentences.filter((sentence) => sentence !== '');
}

function cutLongPieces(sentences: readonly string[]): string[] {
  return sentences.flatMap((sentence) => cutLong(sentence));
}

/** Halves a long piece at the clause end or, failing that, the space that lies nearest to its middle. */
function cutLong(piece: string): string[] {
  if (piece.length <= LONGEST_PIECE_CHARACTERS) return [piece];
  const cut = nearestToMiddle(piece, /[,;:—–]["'”’)]*\s+/g) ?? nearestToMiddle(piece, /\s+/g);
  if (cut === undefined) return [piece];
  return [...cutLong(piece.slice(0, cut).trim()), ...cutLong(piece.slice(cut).trim())];
}

function nearestToMiddle(piece: string, pattern: RegExp): number | undefined {
  const cuts = [...piece.matchAll(pattern)]
    .map((match) => match.index + match[0].length)
    .filter((cut) => cut >= SHORTEST_PIECE_CHARACTERS && piece.length - cut >= SHORTEST_PIECE_CHARACTERS);
  const distance = (cut: number): number => Math.abs(cut - piece.length / 2);
  return cuts.sort((a, b) => distance(a) - distance(b))[0];
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
