import { describe, expect, it } from 'vitest';
import { randomNumbers } from '../support/audio-fixtures.ts';
import { slopeOf } from './support/slope.ts';

/** Memory that grows by so much a minute under noise of +-50, looked at every ten seconds. */
function memory(minutes: number, growth: number): [number, number][] {
  const random = randomNumbers(7);
  return Array.from({ length: minutes * 6 }, (_, index) => [
    index / 6,
    1000 + (growth * index) / 6 + 100 * (random() - 0.5),
  ]);
}

describe('the judge of R23', () => {
  it.each([
    [3, 0],
    [50, 0],
    [50, 1],
  ])('finds no growth above 2 MiB a minute in %i minutes of %i', (minutes, growth) => {
    expect(slopeOf(memory(minutes, growth)).atLeast).toBeLessThan(2);
  });

  it.each([
    [3, 60],
    [50, 4],
  ])('finds it in %i minutes of %i', (minutes, growth) => {
    const { middle, atLeast } = slopeOf(memory(minutes, growth));
    expect(atLeast).toBeGreaterThan(2);
    expect(Math.abs(middle - growth)).toBeLessThan(growth / 2);
  });

  it('can tell nothing from two points', () => {
    expect(
      slopeOf([
        [0, 0],
        [1, 100],
      ]).atLeast,
    ).toBe(Number.NEGATIVE_INFINITY);
  });
});
