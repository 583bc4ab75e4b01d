import { type Answer, type AttemptOptions, DEFAULT_ATTEMPTS } from './attempts.ts';
import { saysAgain, withoutSayingAgain } from './loops.ts';
import { decodeTokens } from './tokenizer.ts';

/**
 * What a chunk's best answer may say when no attempt was good: of a loop one turn, and nothing of text that went on until its budget
 * was spent or that still repeats itself, if it is improbable besides. `trouble` names what was wrong.
 */
export function presentable<Kind extends Answer>(
  answer: Kind,
  { failedLogprob }: AttemptOptions = DEFAULT_ATTEMPTS,
): Kind {
  const kept = withoutSayingAgain(answer.tokens);
  const looped = kept.length < answer.tokens.length;
  const cut = looped ? keepTokens(answer, kept) : answer;
  if (cut.text === '') return cut;
  const improbable = cut.score < failedLogprob;
  const runsOn = saysAgain(cut.text, cut.tokens) || (cut.cutOff && improbable);
  if (runsOn || (looped && improbable)) return { ...keepTokens(cut, []), trouble: 'dropped' };
  if (looped) return { ...cut, trouble: 'loop-cut' };
  return improbable ? { ...cut, trouble: 'unsure' } : cut;
}

/** The answer with those of its tokens alone; the mean is over them. */
function keepTokens<Kind extends Answer>(answer: Kind, kept: readonly number[]): Kind {
  const tokens = kept.map((index) => answer.tokens[index] ?? 0);
  const logprobs = kept.map((index) => answer.logprobs[index] ?? 0);
  const { text, ends } = decodeTokens(tokens);
  const sum = logprobs.reduce((total, logprob) => total + logprob, 0);
  const avgLogprob = kept.length === 0 ? answer.avgLogprob : sum / kept.length;
  return { ...answer, text, tokens, tokenEnds: ends, logprobs, avgLogprob, score: avgLogprob };
}
