import { describe, expect, it } from 'vitest';
import type { NextToken } from './backend.ts';
import { DecodedSequence, type DecodingOptions } from './decoder.ts';
import { END_TOKEN } from './tokenizer.ts';

const VOCABULARY = 32_768;
const GREEDY: DecodingOptions = { budget: 5, temperature: 0, minimumTokens: 0, random: () => 0.5 };

/** Logits of 0 but for those given, and what the decoder makes of them itself. */
function next(values: Readonly<Record<number, number>>): NextToken {
  const logits = new Float32Array(VOCABULARY);
  for (const [token, value] of Object.entries(values)) logits[Number(token)] = value;
  const token = logits.indexOf(Math.fround(Math.max(...Object.values(values))));
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return { token, logprob: (logits[token] ?? 0) - Math.log(total), logits };
}

describe('DecodedSequence', () => {
  it('takes the most probable token until the end token', () => {
    const sequence = new DecodedSequence(GREEDY);
    expect(sequence.accept(next({ 100: 20 }))).toEqual({ token: 100 });
    expect(sequence.accept(next({ [END_TOKEN]: 20, 100: 19 }))).toBeUndefined();
    expect(sequence.finished).toBe(true);
    expect(sequence.tokens).toEqual([100]);
  });

  it('gives log probabilities over the whole vocabulary, the end token counted in', () => {
    const sequence = new DecodedSequence(GREEDY);
    sequence.accept(next({ 100: Math.log(VOCABULARY - 1) }));
    expect(sequence.logprobs[0]).toBeCloseTo(Math.log(0.5), 4);
    sequence.accept(next({ [END_TOKEN]: 100 }));
    expect(sequence.endLogprob).toBeCloseTo(0, 4);
    expect(sequence.averageLogprob).toBeCloseTo(Math.log(0.5) / 2, 4);
  });

  it('stops at its budget', () => {
    const sequence = new DecodedSequence({ ...GREEDY, budget: 3 });
    while (!sequence.finished) sequence.accept(next({ 100: 20 }));
    expect(sequence.tokens).toEqual([100, 100, 100]);
    expect(sequence.endLogprob).toBeUndefined();
  });

  it('does not end before the least number of tokens', () => {
    const sequence = new DecodedSequence({ ...GREEDY, minimumTokens: 1 });
    sequence.accept(next({ [END_TOKEN]: 20, 100: 5 }));
    expect(sequence.tokens).toEqual([100]);
    sequence.accept(next({ [END_TOKEN]: 20, 100: 5 }));
    expect(sequence.finished).toBe(true);
  });

  it('draws tokens by their probability at a temperature above 0', () => {
    const draw = (random: number): number | undefined => {
      const sequence = new DecodedSequence({ ...GREEDY, temperature: 1, random: () => random });
      sequence.accept(next({ 100: 30, 200: 30 }));
      return sequence.tokens[0];
    };
    expect(draw(0.25)).toBe(100);
    expect(draw(0.75)).toBe(200);
  });

  it('never draws special tokens', () => {
    const sequence = new DecodedSequence({ ...GREEDY, temperature: 1, random: () => 0.999 });
    sequence.accept(next({ 0: 60, 32001: 60, 100: 30 }));
    expect(sequence.tokens).toEqual([100]);
  });
});
