import { describe, expect, it } from 'vitest';
import { compressionRatio, findLoop, repeatsItself, withoutLoops } from './repetition.ts';

const turns = (turn: readonly number[], times: number): number[] =>
  Array.from({ length: times }, () => turn).flat();

describe('compressionRatio', () => {
  it('is high for text that repeats itself', () => {
    expect(compressionRatio('thank you '.repeat(30))).toBeGreaterThan(2.4);
    expect(compressionRatio('The quick brown fox jumps over the lazy dog.')).toBeLessThan(1.2);
    expect(compressionRatio('')).toBe(0);
  });
});

describe('findLoop', () => {
  it('finds a phrase that is said again and again', () => {
    expect(findLoop([1, 2, ...turns([7, 8, 9], 6), 3])).toEqual({ start: 2, period: 3, end: 20 });
  });

  it('finds one token that goes on', () => {
    expect(findLoop([1, ...turns([5], 12)])).toEqual({ start: 1, period: 1, end: 13 });
  });

  it('lets people repeat themselves', () => {
    expect(findLoop(turns([5, 6], 5))).toBeUndefined();
    expect(findLoop(turns([5, 6, 7, 8, 9, 10], 3))).toBeUndefined();
  });
});

describe('withoutLoops', () => {
  it('keeps one turn and all that stands around it', () => {
    const tokens = [1, 2, ...turns([7, 8, 9], 6), 3];
    expect(withoutLoops(tokens).map((index) => tokens[index])).toEqual([1, 2, 7, 8, 9, 3]);
  });

  it('leaves other text alone', () => {
    expect(withoutLoops([4, 5, 6])).toEqual([0, 1, 2]);
  });
});

describe('repeatsItself', () => {
  it('sees repetition that is not exact by how well it packs', () => {
    const text = Array.from({ length: 24 }, (_, turn) => `and then we go to the house ${turn % 2} `).join('');
    expect(
      repeatsItself(
        text,
        [...text].map((_, index) => index),
      ),
    ).toBe(true);
  });
});
