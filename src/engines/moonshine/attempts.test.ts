import { describe, expect, it } from 'vitest';
import type { Hypothesis } from '../engine.ts';
import { bestHypothesis, nextAttempt } from './attempts.ts';

const said = (text: string, avgLogprob: number): Hypothesis => ({
  text,
  avgLogprob,
  tokens: [],
  logprobs: [],
  temperature: 0,
});
const SPEECH = { speechSecond: 2, temperature: 0 };

describe('nextAttempt', () => {
  it('lets a sure answer stand', () => {
    expect(nextAttempt(SPEECH, [])).toMatchObject({ minimumTokens: 0, temperature: 0 });
    expect(nextAttempt(SPEECH, [said('Yes.', -0.1)])).toBeUndefined();
  });

  it('asks again with other edges while the best answer is doubtful', () => {
    const first = nextAttempt(SPEECH, []);
    const second = nextAttempt(SPEECH, [said('Yes.', -0.6)]);
    expect(second?.silenceSecond).not.toBe(first?.silenceSecond);
    expect(nextAttempt(SPEECH, [said('Yes.', -0.6), said('Yet.', -0.1)])).toBeUndefined();
    const third = nextAttempt(SPEECH, [said('Yes.', -0.6), said('Yet.', -0.5)]);
    expect(third?.silenceSecond).not.toBe(second?.silenceSecond);
  });

  it('forbids an end at once when the voice detector is sure of speech', () => {
    expect(nextAttempt(SPEECH, [said('', -0.2)])?.minimumTokens).toBe(1);
    expect(nextAttempt({ ...SPEECH, speechSecond: 0.1 }, [said('', -0.2)])).toBeUndefined();
  });

  it('always comes to an end', () => {
    for (const text of ['', 'word']) {
      const answers: Hypothesis[] = [];
      while (nextAttempt(SPEECH, answers) !== undefined) answers.push(said(text, -3));
      expect(answers.length).toBeLessThanOrEqual(4);
    }
  });

  it('draws once at a temperature the caller asked for', () => {
    const hot = { ...SPEECH, temperature: 0.8 };
    expect(nextAttempt(hot, [])?.temperature).toBe(0.8);
    expect(nextAttempt(hot, [said('Yes.', -0.9)])).toBeUndefined();
  });
});

describe('bestHypothesis', () => {
  it('prefers the more probable of those that say something', () => {
    expect(bestHypothesis([said('', -0.01), said('a', -0.5), said('b', -0.4)])?.text).toBe('b');
    expect(bestHypothesis([said('', -0.01)])?.text).toBe('');
    expect(bestHypothesis([])).toBeUndefined();
  });
});
