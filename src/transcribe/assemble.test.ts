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

  it("keeps the engine's own segments, inside the chunk and in order", () => {
    const segments = assembleSegments(CHUNK, {
      text: 'Eins zwei. Drei. Vier.',
      tokens: [],
      tokenEnds: [],
      logprobs: [],
      avgLogprob: 0,
      temperature: 0.2,
      segments: [
        { text: ' Eins zwei.', startSecond: -0.5, endSecond: 1.5 },
        { text: 'Drei.', startSecond: 1.25, endSecond: 2 },
        { text: 'Vier.', startSecond: 2.5, endSecond: 29.98 },
      ],
    });
    expect(segments.map(({ text, startSecond, endSecond }) => [text, startSecond, endSecond])).toEqual([
      ['Eins zwei.', 0.875, 2.375],
      ['Drei.', 2.375, 2.875],
      ['Vier.', 3.375, 4.125],
    ]);
    for (const segment of segments)
      expect(segment).toMatchObject({
        tokens: [],
        avgLogprob: 0,
        temperature: 0.2,
        windowStartSecond: 0.875,
      });
  });

  it("gives words to the engine's segments", () => {
    const words = ['Eins', 'zwei.', 'Drei.'].map((text, index) => ({
      text,
      startSecond: index,
      endSecond: index + 0.5,
    }));
    const segments = assembleSegments(CHUNK, {
      ...HYPOTHESIS,
      tokens: [],
      text: 'Eins zwei. Drei.',
      words,
      segments: [
        { text: 'Eins zwei.', startSecond: 0, endSecond: 1.9 },
        { text: 'Drei.', startSecond: 1.9, endSecond: 3 },
      ],
    });
    expect(segments.map((segment) => segment.words?.map(({ text }) => text))).toEqual([
      ['Eins', 'zwei.'],
      ['Drei.'],
    ]);
    expect(segments[1]?.words?.[0]?.startSecond).toBe(2.875);
  });

  it('cuts a segment that is a whole chunk of text, at the pauses that were heard in it', () => {
    const sentence = 'A sentence that is as long as sentences are when people talk for a while and';
    const text = `${sentence} stop. ${sentence} end.  ${sentence} go.`;
    const segments = assembleSegments(CHUNK, {
      ...HYPOTHESIS,
      tokens: [],
      text,
      segments: [{ text, startSecond: 0, endSecond: 3.25 }],
    });
    expect(segments.length).toBeGreaterThan(2);
    expect(segments.map((segment) => segment.text).join(' ')).toBe(text.replace('  ', ' '));
    expect(segments[0]?.startSecond).toBe(1);
    expect(segments.at(-1)?.endSecond).toBe(4);
  });

  it('finds the words of text without spaces in the pieces that an engine timed', () => {
    const chinese = '今天天气很好。我们去公园。';
    const pieces = [...chinese].map((text, index) => ({
      text,
      startSecond: index * 0.2,
      endSecond: (index + 1) * 0.2,
    }));
    for (const words of [pieces, [{ text: chinese, startSecond: 0, endSecond: 2.6 }]]) {
      const segments = assembleSegments(CHUNK, { ...HYPOTHESIS, tokens: [], text: chinese, words });
      expect(segments.map(({ text }) => text)).toEqual(['今天天气很好。', '我们去公园。']);
      expect(segments.flatMap((segment) => segment.words ?? []).map(({ text }) => text)).toEqual([
        '今天',
        '天气',
        '很好。',
        '我们',
        '去',
        '公园。',
      ]);
      expect(segments[1]?.words?.[0]?.startSecond).toBeCloseTo(0.875 + 7 * 0.2);
    }
  });

  it('makes nothing of an empty answer', () => {
    expect(assembleSegments(CHUNK, { ...HYPOTHESIS, text: '', tokens: [], tokenEnds: [] })).toEqual([]);
  });
});
