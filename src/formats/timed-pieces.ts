import type { Segment } from '../transcript.ts';
import { splitWords } from '../util/words.ts';
import { cutToWidth, textWidth } from './characters.ts';
import type { LinePiece } from './line-breaks.ts';

/** The smallest part of a subtitle: a word with its punctuation, or a part of a word too long for a line. */
export interface TimedPiece extends LinePiece {
  readonly startSecond: number;
  readonly endSecond: number;
}

/** A stretch of time in which text of such a width is spoken. */
interface Span {
  readonly width: number;
  readonly startSecond: number;
  readonly endSecond: number;
}

/**
 * A segment's text as pieces of at most `width`, in order. Times are those of the segment's words where these spell the same text,
 * otherwise they share the segment's time by width.
 */
export function timedPieces(segment: Segment, width: number): TimedPiece[] {
  const pieces: readonly LinePiece[] = cueTokens(segment.text).flatMap((token) =>
    splitWords(token).flatMap((word, wordIndex) =>
      cutToWidth(word, width).map((text, index) => ({
        text,
        width: textWidth(text),
        separator: wordIndex === 0 && index === 0 ? (' ' as const) : ('' as const),
        isWordPart: index > 0,
      })),
    ),
  );
  const total = pieces.reduce((sum, piece) => sum + piece.width, 0);
  const spans = wordSpans(segment, total);
  let position = 0;
  return pieces.map((piece) => {
    const from = position;
    position += piece.width;
    return {
      ...piece,
      startSecond: timeAt(spans, from, 'start'),
      endSecond: timeAt(spans, position, 'end'),
    };
  });
}

/** What stands between the spaces of a text, and nothing in them that reads as a time line (the reference writer shortens the arrow). */
export function cueTokens(text: string): string[] {
  return text
    .replaceAll('-->', '->')
    .split(/\s+/)
    .filter((word) => word !== '');
}

function wordSpans(segment: Segment, total: number): readonly Span[] {
  const spans = (segment.words ?? []).flatMap(({ text, startSecond, endSecond }) => {
    const width = cueTokens(text).reduce((sum, token) => sum + textWidth(token), 0);
    return width === 0 ? [] : [{ width, startSecond, endSecond }];
  });
  const spelled = spans.reduce((sum, span) => sum + span.width, 0);
  const { startSecond, endSecond } = segment;
  return spelled === total ? spans : [{ width: total, startSecond, endSecond }];
}

/** When what stands at `position` begins, or what is before it ends; even speed inside a span. */
function timeAt(spans: readonly Span[], position: number, edge: 'start' | 'end'): number {
  let before = 0;
  for (const { width, startSecond, endSecond } of spans) {
    const inside = position - before;
    if (edge === 'start' ? inside < width : inside <= width)
      return startSecond + ((endSecond - startSecond) * inside) / width;
    before += width;
  }
  return spans.at(-1)?.endSecond ?? 0;
}
