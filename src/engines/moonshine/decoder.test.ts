import { describe, expect, it } from 'vitest';
import { DecodedSequence, type DecodingOptions } from './decoder.ts';
import { END_TOKEN, START_TOKEN } from './tokenizer.ts';

const VOCABULARY = 32_768;
const GREEDY: DecodingOptions = { budget: 5, temperature: 0, minimumTokens: 0, random: () => 0.5 };

/** Logits of 0 but for those given. */
function logits(values: Readonly<Record<number, number>>): Float32Array {
  const array = new Float32Array(VOCABULARY);
  for (const [token, value] of Object.entries(values)) array[Number(token)] = value;
  return array;
}

describe('DecodedSequence', () => {
  it('starts with the start token and takes the most probable token until the end token', () => {
    const sequence = new DecodedSequence(GREEDY);
    expect(sequence.next).toBe(START_TOKEN);
    sequence.accept(logits({ 100: 20 }));
    expect(sequence.next).toBe(100);
    sequence.accept(logits({ [END_TOKEN]: 20, 100: 19 }));
    expect(sequence.finished).toBe(true);
    expect(sequence.tokens).toEqual([100]);
  });

  it('gives log probabilities over the whole vocabulary, the end token counted in', () => {
    const sequence = new DecodedSequence(GREEDY);
    sequence.accept(logits({ 100: Math.log(VOCABULARY - 1) }));
    expect(sequence.logprobs[0]).toBeCloseTo(Math.log(0.5), 4);
    sequence.accept(logits({ [END_TOKEN]: 1000 }));
    expect(sequence.endLogprob).toBeCloseTo(0, 4);
    expect(sequence.averageLogprob).toBeCloseTo(Math.log(0.5) / 2, 4);
  });

  it('stops at its budget', () => {
    const sequence = new DecodedSequence({ ...GREEDY, budget: 3 });
    while (!sequence.finished) sequence.accept(logits({ 100: 20 }));
    expect(sequence.tokens).toEqual([100, 100, 100]);
    expect(sequence.endLogprob).toBeUndefined();
  });

  it('does not end before the least number of tokens', () => {
    const sequence = new DecodedSequence({ ...GREEDY, minimumTokens: 1 });
    sequence.accept(logits({ [END_TOKEN]: 20, 100: 5 }));
    expect(sequence.tokens).toEqual([100]);
    sequence.accept(logits({ [END_TOKEN]: 20, 100: 5 }));
    expect(sequence.finished).toBe(true);
  });

  it('draws tokens by their probability at a temperature above 0', () => {
    const draw = (random: number): number | undefined => {
      const sequence = new DecodedSequence({ ...GREEDY, temperature: 1, random: () => random });
      sequence.accept(logits({ 100: 30, 200: 30 }));
      return sequence.tokens[0];
    };
    expect(draw(0.25)).toBe(100);
    expect(draw(0.75)).toBe(200);
  });

  it('never draws special tokens', () => {
    const sequence = new DecodedSequence({ ...GREEDY, temperature: 1, random: () => 0.999 });
    sequence.accept(logits({ 0: 60, 32001: 60, 100: 30 }));
    expect(sequence.tokens).toEqual([100]);
  });
});
