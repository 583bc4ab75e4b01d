import { describe, expect, it } from 'vitest';
import { assembleSegments } from './assemble.ts';

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
  tokenEnds: [3, 12, 16, 25],
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

  it('gives each segment its own tokens with their bytes', () => {
    const segments = assembleSegments(CHUNK, {
      ...HYPOTHESIS,
      text: 'Say it all once. No.',
      tokenEnds: [3, 15, 16, 20],
      tokenBytes: [' Say', ' it all once', '.', ' No.'].map((text) => [...Buffer.from(text)]),
    });
    expect(segments.map(({ text, tokens }) => ({ text, tokens }))).toEqual([
      { text: 'Say it all once.', tokens: [5, 6, 7] },
      { text: 'No.', tokens: [8] },
    ]);
    expect(segments[1]?.logprobs).toEqual([{ token: ' No.', logprob: -0.2, bytes: [32, 78, 111, 46] }]);
  });

  it('places segments by their words when they are known', () => {
    const words = ['Say', 'it', 'once.', 'Say', 'it', 'here.'].map((text, index) => ({
      text,
      startSecond: index * 0.5,
      endSecond: index * 0.5 + 0.4,
    }));
    const segments = assembleSegments(CHUNK, { ...HYPOTHESIS, text: 'Say it once. Say it here.', words });
    expect(segments.map(({ startSecond, endSecond }) => [startSecond, endSecond])).toEqual([
      [0.875, 2.275],
      [2.375, 3.775],
    ]);
    expect(segments.map((segment) => segment.words?.map((word) => word.text).join(' '))).toEqual([
      'Say it once.',
      'Say it here.',
    ]);
  });

  it('makes nothing of an empty answer', () => {
    expect(assembleSegments(CHUNK, { ...HYPOTHESIS, text: '', tokens: [], tokenEnds: [] })).toEqual([]);
  });
});
