import type { TimedText } from '../engines/engine.ts';
import { textWidth } from '../formats/characters.ts';

/** A stretch of an engine's text, without its white space, with its place in time. */
interface Span {
  readonly width: number;
  readonly startSecond: number;
  readonly endSecond: number;
}

/**
 * The times of `wanted` words, out of the pieces of the same text that an engine has timed: engines cut text without spaces at their
 * tokens or not at all. A piece's time is shared by width. Undefined when the two spell different texts.
 */
export function fitWords(wanted: readonly string[], timed: readonly TimedText[]): TimedText[] | undefined {
  if (wanted.length === timed.length && wanted.every((word, index) => word === timed[index]?.text))
    return [...timed];
  if (wanted.join('') !== withoutSpaces(timed.map(({ text }) => text).join(''))) return undefined;
  const spans = timed.map(({ text, startSecond, endSecond }) => ({
    width: textWidth(withoutSpaces(text)),
    startSecond,
    endSecond,
  }));
  let position = 0;
  return wanted.map((text) => {
    const from = position;
    position += textWidth(text);
    return { text, startSecond: timeAt(spans, from, 'start'), endSecond: timeAt(spans, position, 'end') };
  });
}

/** When what stands at `position` begins, or what is before it ends. */
function timeAt(spans: readonly Span[], position: number, edge: 'start' | 'end'): number {
  let before = 0;
  for (const { width, startSecond, endSecond } of spans) {
    const inside = position - before;
    if (edge === 'start' ? inside < width : inside <= width)
      return startSecond + ((endSecond - startSecond) * inside) / Math.max(1, width);
    before += width;
  }
  return spans.at(-1)?.endSecond ?? 0;
}

function withoutSpaces(text: string): string {
  return text.replace(/\s+/g, '');
}
