import type { Segment } from '../transcript.ts';
import { characterCount, cutCharacters } from './characters.ts';
import type { LinePiece } from './line-breaks.ts';

/** The smallest part of a subtitle: a word with its punctuation, or a part of a word too long for a line. */
export interface TimedPiece extends LinePiece {
  readonly startSecond: number;
  readonly endSecond: number;
}

/** A stretch of time in which so many characters are spoken. */
interface Span {
  readonly characters: number;
  readonly startSecond: number;
  readonly endSecond: number;
}

/**
 * A segment's text as pieces of at most `width` characters, in order. Times are those of the segment's words where these spell the same
 * text, otherwise they share the segment's time by length.
 */
export function timedPieces(segment: Segment, width: number): TimedPiece[] {
  const pieces: readonly LinePiece[] = cueTokens(segment.text).flatMap((word) =>
    cutCharacters(word, width).map((text, index) => ({
      text,
      length: characterCount(text),
      separator: index === 0 ? (' ' as const) : ('' as const),
    })),
  );
  const total = pieces.reduce((sum, { length }) => sum + length, 0);
  const spans = wordSpans(segment, total);
  let position = 0;
  return pieces.map((piece) => {
    const from = position;
    position += piece.length;
    return {
      ...piece,
      startSecond: timeAt(spans, from, 'start'),
      endSecond: timeAt(spans, position, 'end'),
    };
  });
}

/** The words of a text, and nothing in them that reads as a time line (the reference writer shortens the arrow). */
export function cueTokens(text: string): string[] {
  return text
    .replaceAll('-->', '->')
    .split(/\s+/)
    .filter((word) => word !== '');
}

function wordSpans(segment: Segment, total: number): readonly Span[] {
  const spans = (segment.words ?? []).flatMap(({ text, startSecond, endSecond }) => {
    const characters = cueTokens(text).reduce((sum, token) => sum + characterCount(token), 0);
    return characters === 0 ? [] : [{ characters, startSecond, endSecond }];
  });
  const spelled = spans.reduce((sum, { characters }) => sum + characters, 0);
  const { startSecond, endSecond } = segment;
  return spelled === total ? spans : [{ characters: total, startSecond, endSecond }];
}

/** When the character at `position` begins, or the one before it ends; even speed inside a span. */
function timeAt(spans: readonly Span[], position: number, edge: 'start' | 'end'): number {
  let before = 0;
  for (const { characters, startSecond, endSecond } of spans) {
    const inside = position - before;
    if (edge === 'start' ? inside < characters : inside <= characters)
      return startSecond + ((endSecond - startSecond) * inside) / characters;
    before += characters;
  }
  return spans.at(-1)?.endSecond ?? 0;
}
