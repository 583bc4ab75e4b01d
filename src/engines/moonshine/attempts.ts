import type { Hypothesis } from '../engine.ts';
import { saysAgain } from './loops.ts';

/** One way to run a chunk through the model. */
export interface Attempt {
  /** Seconds of the sound around the speech that are kept. */
  readonly soundSecond: number;
  /** Zeros put before and after, in seconds. */
  readonly silenceSecond: number;
  /** The end token is forbidden before so many tokens. */
  readonly minimumTokens: number;
  readonly temperature: number;
}

/** What an attempt gave. */
export interface Answer extends Hypothesis {
  /** Mean log probability to compare attempts with: phrases that were preferred count as the model's favourites. */
  readonly score: number;
  /** The budget ended it, not the model. */
  readonly cutOff: boolean;
}

export interface AttemptedChunk {
  /** How much of the chunk the voice detector calls speech, in seconds. */
  readonly speechSecond: number;
  readonly temperature: number;
}

export interface AttemptEdges {
  readonly soundSecond: number;
  readonly silenceSecond: number;
}

export interface AttemptOptions {
  readonly first: AttemptEdges;
  /** Other edges, in turn, for an answer that is doubted. */
  readonly others: readonly AttemptEdges[];
  /** Below this mean log probability an answer is doubted. */
  readonly doubtfulLogprob: number;
  /** Below this one it has failed. */
  readonly failedLogprob: number;
  /** Speech of this length holds at least one word. */
  readonly sureSpeechSecond: number;
}

/**
 * Chosen by `bench/accuracy/chunking.ts` on the shared sets (table in docs/decisions/0005): close to the speech and then true
 * silence is the best single way; the recording's own sound and nothing added is right where that is unsure.
 */
export const DEFAULT_ATTEMPTS: AttemptOptions = {
  first: { soundSecond: 0.2, silenceSecond: 0.3 },
  others: [
    { soundSecond: 0.3, silenceSecond: 0 },
    { soundSecond: 0.15, silenceSecond: 0.2 },
  ],
  doubtfulLogprob: -0.25,
  failedLogprob: -1,
  sureSpeechSecond: 0.25,
};

/** Temperatures of a fallback in turn: Whisper's ladder (whisper/transcribe.py). */
const LADDER = [0.2, 0.4, 0.6, 0.8, 1];

/**
 * How to decode a chunk, or to try again after `earlier` answers; undefined when the best of them stands.
 *
 * Moonshine's largest single error is to end at once although somebody speaks, and it hears edges: what lies around the speech
 * changes words. So an empty answer to sure speech is tried again with the end token forbidden at first, and an answer that is
 * still doubtful gets a second opinion with other edges. When the best answer has failed even so, tokens are drawn at rising
 * temperatures until one has not. A caller who asks for a temperature gets one draw.
 */
export function nextAttempt(
  chunk: AttemptedChunk,
  earlier: readonly Answer[],
  options: AttemptOptions = DEFAULT_ATTEMPTS,
): Attempt | undefined {
  const { first, others, doubtfulLogprob, sureSpeechSecond } = options;
  const { temperature } = chunk;
  if (earlier.length === 0) return { ...first, minimumTokens: 0, temperature };
  const best = bestAnswer(earlier, options);
  if (best === undefined || best.text === '') {
    const sureOfSpeech = chunk.speechSecond >= sureSpeechSecond;
    return sureOfSpeech && earlier.length === 1 ? { ...first, minimumTokens: 1, temperature } : undefined;
  }
  if (temperature > 0) return undefined;
  const failed = hasFailed(best, options);
  if (best.score >= doubtfulLogprob && !failed) return undefined;
  const greedy = earlier.filter((answer) => answer.temperature === 0).length;
  const insisted = earlier[0]?.text === '' ? 1 : 0;
  const other = others[greedy - 1 - insisted];
  if (other !== undefined) return { ...other, minimumTokens: 0, temperature };
  const hotter = failed ? LADDER[earlier.length - greedy] : undefined;
  return hotter === undefined ? undefined : { ...first, minimumTokens: 0, temperature: hotter };
}

/** Improbable, repeating itself, or still talking when its budget was spent: Whisper's tests and one more. */
export function hasFailed(answer: Answer, { failedLogprob }: AttemptOptions = DEFAULT_ATTEMPTS): boolean {
  return answer.score < failedLogprob || runsOn(answer);
}

/** Of those that say something the most probable that has not failed; else one that is improbable at worst; else the last. */
export function bestAnswer<Kind extends Answer>(
  answers: readonly Kind[],
  options: AttemptOptions = DEFAULT_ATTEMPTS,
): Kind | undefined {
  const speaking = answers.filter((answer) => answer.text !== '').sort((a, b) => b.score - a.score);
  return (
    speaking.find((answer) => !hasFailed(answer, options)) ??
    speaking.find((answer) => !runsOn(answer)) ??
    speaking[0] ??
    answers.at(-1)
  );
}

function runsOn({ cutOff, text, tokens }: Answer): boolean {
  return cutOff || saysAgain(text, tokens);
}
