import { describe, expect, it } from 'vitest';
import { countWordErrors, errorCount, pairedBootstrap, wordErrorRate } from './wer.ts';

const words = (text: string): string[] => text.split(' ').filter(Boolean);

describe('countWordErrors', () => {
  it('counts each kind of error', () => {
    expect(countWordErrors(words('a b c d'), words('a x c d e'))).toEqual({
      referenceWords: 4,
      substitutions: 1,
      deletions: 0,
      insertions: 1,
    });
    expect(countWordErrors(words('a b c'), words('a c')).deletions).toBe(1);
  });

  it('scores an empty answer as all deletions and an invented one as all insertions', () => {
    expect(countWordErrors(words('a b c'), [])).toMatchObject({
      deletions: 3,
      substitutions: 0,
      insertions: 0,
    });
    expect(countWordErrors([], words('a b'))).toMatchObject({ referenceWords: 0, insertions: 2 });
  });

  it('finds the fewest errors', () => {
    expect(errorCount(countWordErrors(words('the cat sat on the mat'), words('cat sat the mat')))).toBe(2);
    expect(wordErrorRate(countWordErrors(words('a b'), words('b a')))).toBe(1);
  });
});

describe('pairedBootstrap', () => {
  const clip = (firstErrors: number, secondErrors: number) => ({
    referenceWords: 10,
    firstErrors,
    secondErrors,
  });

  it('sees no difference between equal systems', () => {
    expect(pairedBootstrap([clip(1, 1), clip(0, 0)], { rounds: 500 })).toEqual({
      difference: 0,
      low: 0,
      high: 0,
      p: 1,
    });
  });

  it('is sure of a gain on every clip and unsure of a mixed one', () => {
    const sure = pairedBootstrap(
      Array.from({ length: 30 }, () => clip(2, 1)),
      { rounds: 500 },
    );
    expect(sure.difference).toBeCloseTo(-0.1);
    expect(sure.p).toBe(0);
    const mixed = pairedBootstrap(
      Array.from({ length: 30 }, (_, index) => (index % 2 ? clip(2, 1) : clip(1, 2))),
      { rounds: 500 },
    );
    expect(mixed.p).toBeGreaterThan(0.2);
  });
});
