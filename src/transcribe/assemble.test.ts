import { describe, expect, it } from 'vitest';
import { assembleSegments, compressionRatio } from './assemble.ts';

const CHUNK = {
  startSample: 14_000,
  endSample: 66_000,
  speech: [
    { startSample: 16_000, endSample: 32_000 },
    { startSample: 48_000, endSample: 64_000 },
  ],
  speechProbability: 0.9,
};

const HYPOTHESIS = {
  tokens: [5, 6, 7, 8],
  logprobs: [-0.1, -0.1, -0.2, -0.2],
  avgLogprob: -0.15,
  temperature: 0,
};

describe('assembleSegments', () => {
  it('places sentences in the recording and deals out every token', () => {
    const segments = assembleSegments(CHUNK, { ...HYPOTHESIS, text: 'Say it once. Say it here.' });
    expect(segments.map(({ text, startSecond, endSecond }) => ({ text, startSecond, endSecond }))).toEqual([
      { text: 'Say it once.', startSecond: 1, endSecond: 2 },
      { text: 'Say it here.', startSecond: 3, endSecond: 4 },
    ]);
    expect(segments.flatMap((segment) => segment.tokens)).toEqual([5, 6, 7, 8]);
    expect(segments[0]?.windowStartSecond).toBe(0.875);
    expect(segments[0]?.noSpeechProbability).toBeCloseTo(0.1);
  });

  it('makes nothing of an empty answer', () => {
    expect(assembleSegments(CHUNK, { ...HYPOTHESIS, text: '', tokens: [] })).toEqual([]);
  });
});

describe('compressionRatio', () => {
  it('is high for text that repeats itself', () => {
    expect(compressionRatio('thank you '.repeat(30))).toBeGreaterThan(2.4);
    expect(compressionRatio('The quick brown fox jumps over the lazy dog.')).toBeLessThan(1.2);
    expect(compressionRatio('')).toBe(0);
  });
});
