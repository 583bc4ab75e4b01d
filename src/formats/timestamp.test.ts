import { describe, expect, it } from 'vitest';
import { formatTimestamp, roundToMilliseconds } from './timestamp.ts';

describe('formatTimestamp', () => {
  it('rounds to the nearest millisecond and carries over', () => {
    expect(formatTimestamp(0, ',')).toBe('00:00:00,000');
    expect(formatTimestamp(1.2344, '.')).toBe('00:00:01.234');
    expect(formatTimestamp(1.2346, '.')).toBe('00:00:01.235');
    expect(formatTimestamp(59.9996, ',')).toBe('00:01:00,000');
    expect(formatTimestamp(3599.9999, ',')).toBe('01:00:00,000');
  });

  it('goes past 99 hours and never below zero', () => {
    expect(formatTimestamp(360_000, '.')).toBe('100:00:00.000');
    expect(formatTimestamp(-0.5, '.')).toBe('00:00:00.000');
  });
});

describe('roundToMilliseconds', () => {
  it('takes away what is below a millisecond', () => {
    expect(roundToMilliseconds(1.7000000476837158)).toBe(1.7);
    expect(roundToMilliseconds(0.1 + 0.2)).toBe(0.3);
  });
});
