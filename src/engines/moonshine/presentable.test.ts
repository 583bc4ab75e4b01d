import { describe, expect, it } from 'vitest';
import type { Answer } from './attempts.ts';
import { presentable } from './presentable.ts';
import { decodeTokens, encodeText } from './tokenizer.ts';

function answer(text: string, logprob: number, cutOff = false): Answer {
  const tokens = encodeText(text, 'space');
  const decoded = decodeTokens(tokens);
  const logprobs = tokens.map(() => logprob);
  return {
    text: decoded.text,
    tokens,
    tokenEnds: decoded.ends,
    logprobs,
    avgLogprob: logprob,
    score: logprob,
    cutOff,
    temperature: 0,
  };
}

describe('presentable', () => {
  it('leaves a good answer as it is', () => {
    const good = answer('Ask not what your country can do for you.', -0.2);
    expect(presentable(good)).toBe(good);
  });

  it('keeps one turn of a loop, with its tokens and their mean', () => {
    const cut = presentable(answer(`We went home. ${'Thank you. '.repeat(12)}`.trim(), -0.1, true));
    expect(cut.text).toBe('We went home. Thank you.');
    expect(cut.tokens).toHaveLength(cut.logprobs.length);
    expect(cut.tokenEnds.at(-1)).toBe(cut.text.length);
    expect(cut).toMatchObject({ trouble: 'loop-cut' });
    expect(cut.avgLogprob).toBeCloseTo(-0.1);
  });

  it('drops improbable text that would not end', () => {
    expect(presentable(answer('sorrow umbrella of never the', -1.5, true))).toMatchObject({
      text: '',
      tokens: [],
      trouble: 'dropped',
    });
  });

  it('says when it is not sure', () => {
    expect(presentable(answer('Canan irrigari', -1.5))).toMatchObject({
      text: 'Canan irrigari',
      trouble: 'unsure',
    });
  });
});
