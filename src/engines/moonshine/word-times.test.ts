import { describe, expect, it } from 'vitest';
import { timeWords } from './word-times.ts';

const SAMPLE_RATE = 16_000;

/** Noise where the spans say so, silence elsewhere. */
function soundIn(seconds: number, spans: readonly (readonly [number, number])[]): Float32Array {
  const samples = new Float32Array(seconds * SAMPLE_RATE);
  for (const [from, to] of spans)
    for (let index = from * SAMPLE_RATE; index < to * SAMPLE_RATE; index += 1)
      samples[index] = 0.3 * Math.sin(index * index);
  return samples;
}

/** A head that listens to one span a token. */
function attentionTo(spans: readonly (readonly [number, number])[], seconds: number) {
  const frames = Math.floor((seconds * SAMPLE_RATE - 895) / 384) + 1;
  const rows = spans.length + 1;
  const weights = new Float32Array(rows * frames);
  for (const [row, [from, to]] of spans.entries())
    for (let frame = 0; frame < frames; frame += 1) {
      const second = (frame * 384 + 447) / SAMPLE_RATE;
      if (second >= from && second < to) weights[row * frames + frame] = 1;
    }
  return { weights, rows, frames };
}

const spans = [
  [0.3, 0.8],
  [0.8, 1.2],
  [1.7, 2.4],
] as const;

function timed(text: string, ends: readonly number[], to = 3) {
  return timeWords({
    samples: soundIn(3, [
      [0.3, 1.2],
      [1.7, 2.4],
    ]),
    attention: attentionTo(spans, 3),
    text,
    ends,
    from: 0,
    to,
  });
}

describe('timeWords', () => {
  it('puts words where the decoder listened and their edges where the sound ends', () => {
    const words = timed('one two 3.', [3, 7, 10]);
    expect(words.map((word) => word.text)).toEqual(['one', 'two', '3.']);
    const expected = [0.3, 0.8, 0.8, 1.2, 1.7, 2.4];
    for (const [index, second] of words.flatMap((word) => [word.startSecond, word.endSecond]).entries())
      expect(Math.abs(second - (expected[index] ?? 0))).toBeLessThan(0.06);
  });

  it('gives a word of several tokens one place', () => {
    const words = timed('onetwo three', [3, 6, 12]);
    expect(words).toHaveLength(2);
    expect(words[0]?.endSecond).toBeCloseTo(1.2, 1);
  });

  it('never gives a word no time or a place outside, whatever the attention', () => {
    const count = 60;
    const text = Array.from({ length: count }, (_, index) => `w${index % 10}`).join(' ');
    const words = timeWords({
      samples: soundIn(1, [[0.4, 0.6]]),
      attention: { ...attentionTo([], 1), weights: new Float32Array((count + 1) * 40), rows: count + 1 },
      text,
      ends: Array.from({ length: count }, (_, index) => index * 3 + 2),
      from: 0.2,
      to: 0.9,
    });
    let previous = 0.2;
    for (const { startSecond, endSecond } of words) {
      expect(startSecond).toBeGreaterThanOrEqual(previous - 1e-9);
      expect(endSecond).toBeGreaterThan(startSecond);
      previous = endSecond;
    }
    expect(previous).toBeLessThanOrEqual(0.9 + 1e-9);
    expect(words).toHaveLength(count);
  });

  it('answers nothing for no text', () => {
    expect(timed('', [])).toEqual([]);
  });
});
