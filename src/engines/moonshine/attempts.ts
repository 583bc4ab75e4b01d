import type { Hypothesis } from '../engine.ts';

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
  sureSpeechSecond: 0.25,
};

/**
 * How to decode a chunk, or to try again after `earlier` answers; undefined when the best of them stands.
 *
 * Moonshine's largest single error is to end at once although somebody speaks, and it hears edges: what lies around the speech
 * changes words. So an empty answer to sure speech is tried again with the end token forbidden at first, and an answer that is
 * still doubtful gets a second opinion with other edges. A caller who asks for a temperature gets one draw.
 */
export function nextAttempt(
  chunk: AttemptedChunk,
  earlier: readonly Hypothesis[],
  options: AttemptOptions = DEFAULT_ATTEMPTS,
): Attempt | undefined {
  const { first, others, doubtfulLogprob, sureSpeechSecond } = options;
  const { temperature } = chunk;
  if (earlier.length === 0) return { ...first, minimumTokens: 0, temperature };
  const best = bestHypothesis(earlier);
  if (best === undefined || best.text === '') {
    const sureOfSpeech = chunk.speechSecond >= sureSpeechSecond;
    return sureOfSpeech && earlier.length === 1 ? { ...first, minimumTokens: 1, temperature } : undefined;
  }
  if (temperature > 0 || best.avgLogprob >= doubtfulLogprob) return undefined;
  const insisted = earlier[0]?.text === '' ? 1 : 0;
  const other = others[earlier.length - 1 - insisted];
  return other === undefined ? undefined : { ...other, minimumTokens: 0, temperature };
}

/** The most probable answer that says something; else the last. */
export function bestHypothesis(hypotheses: readonly Hypothesis[]): Hypothesis | undefined {
  const speaking = hypotheses.filter((hypothesis) => hypothesis.text !== '');
  return speaking.sort((a, b) => b.avgLogprob - a.avgLogprob)[0] ?? hypotheses.at(-1);
}
