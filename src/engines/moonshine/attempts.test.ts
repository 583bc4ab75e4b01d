import { describe, expect, it } from 'vitest';
import { type Answer, bestAnswer, hasFailed, nextAttempt } from './attempts.ts';

const said = (text: string, avgLogprob: number, other: Partial<Answer> = {}): Answer => ({
  text,
  avgLogprob,
  score: avgLogprob,
  cutOff: false,
  tokens: [],
  tokenEnds: [],
  logprobs: [],
  temperature: 0,
  ...other,
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
      const answers: Answer[] = [];
      for (let next = nextAttempt(SPEECH, answers); next; next = nextAttempt(SPEECH, answers))
        answers.push(said(text, -3, { temperature: next.temperature }));
      expect(answers.length).toBeLessThanOrEqual(8);
    }
  });

  it('draws once at a temperature the caller asked for', () => {
    const hot = { ...SPEECH, temperature: 0.8 };
    expect(nextAttempt(hot, [])?.temperature).toBe(0.8);
    expect(nextAttempt(hot, [said('Yes.', -0.9)])).toBeUndefined();
  });
});

describe('nextAttempt after failures', () => {
  const failures = (...temperatures: readonly number[]): Answer[] =>
    temperatures.map((temperature) => said('so so so', -2, { temperature }));

  it('climbs from other edges to rising temperatures until an answer holds', () => {
    expect(nextAttempt(SPEECH, failures(0, 0))?.temperature).toBe(0);
    expect(nextAttempt(SPEECH, failures(0, 0, 0))?.temperature).toBe(0.2);
    expect(nextAttempt(SPEECH, failures(0, 0, 0, 0.2))?.temperature).toBe(0.4);
    expect(
      nextAttempt(SPEECH, [...failures(0, 0, 0, 0.2), said('Yes.', -0.5, { temperature: 0.4 })]),
    ).toBeUndefined();
    expect(nextAttempt(SPEECH, failures(0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1))).toBeUndefined();
  });

  it('tries again after a loop and after text without an end, however sure the model was', () => {
    const tokens = Array.from({ length: 20 }, (_, index) => 100 + (index % 2));
    expect(nextAttempt(SPEECH, [said('no no', -0.01, { tokens })])).toBeDefined();
    expect(nextAttempt(SPEECH, [said('and so on', -0.01, { cutOff: true })])).toBeDefined();
    expect(hasFailed(said('fine', -0.2))).toBe(false);
  });

  it('does not climb for an answer that is only doubtful', () => {
    expect(nextAttempt(SPEECH, [said('a', -0.6), said('b', -0.5), said('c', -0.7)])).toBeUndefined();
  });
});

describe('bestAnswer', () => {
  it('prefers an answer that has not failed to a surer one that has', () => {
    expect(bestAnswer([said('loop', -0.1, { cutOff: true }), said('words', -0.6)])?.text).toBe('words');
  });

  it('prefers the more probable of those that say something', () => {
    expect(bestAnswer([said('', -0.01), said('a', -0.5), said('b', -0.4)])?.text).toBe('b');
    expect(bestAnswer([said('', -0.01)])?.text).toBe('');
    expect(bestAnswer([])).toBeUndefined();
  });
});
