import { describe, expect, it } from 'vitest';
import { bestPath, tokenStarts } from './alignment.ts';

/** One head that listens to frames `from` to `to` in each row. */
function attentionOf(spans: readonly (readonly [from: number, to: number])[], frames: number) {
  const weights = new Float32Array(spans.length * frames);
  for (const [row, [from, to]] of spans.entries())
    for (let frame = from; frame < to; frame += 1) weights[row * frames + frame] = 1 / (to - from);
  return { weights, rows: spans.length, frames };
}

const all = (frames: number): number[] => [...Array(frames).keys()];

describe('bestPath', () => {
  it('follows the greatest gains from corner to corner', () => {
    const gains = Float32Array.from([5, 5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5]);
    expect(bestPath(gains, 3, 4)).toEqual([0, 2, 3]);
  });

  it('gives rows without gains a place in order', () => {
    const path = bestPath(new Float32Array(4 * 6), 4, 6);
    expect(path).toHaveLength(4);
    expect([...path].sort((a, b) => a - b)).toEqual(path);
  });

  it('manages more rows than frames', () => {
    const path = bestPath(new Float32Array(5 * 2), 5, 2);
    expect(path).toHaveLength(5);
    expect(path.every((frame) => frame === 0 || frame === 1)).toBe(true);
  });
});

describe('tokenStarts', () => {
  it('finds where the decoder turned from token to token', () => {
    const attention = attentionOf(
      [
        [0, 12],
        [12, 30],
        [30, 44],
        [44, 48],
      ],
      48,
    );
    const starts = tokenStarts(attention, all(48), 3);
    expect(starts[0]).toBe(0);
    expect(Math.abs((starts[1] ?? 0) - 12)).toBeLessThanOrEqual(2);
    expect(Math.abs((starts[2] ?? 0) - 30)).toBeLessThanOrEqual(2);
  });

  it('counts in the frames it is given', () => {
    const attention = attentionOf(
      [
        [0, 10],
        [30, 40],
      ],
      40,
    );
    const spoken = all(40).filter((frame) => frame < 10 || frame >= 30);
    expect(Math.abs((tokenStarts(attention, spoken, 2)[1] ?? 0) - 10)).toBeLessThanOrEqual(1);
  });
});
