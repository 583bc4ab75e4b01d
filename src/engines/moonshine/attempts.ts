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
  /** The other way, for answers that are doubted. */
  readonly second: AttemptEdges;
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
  first: { soundSecond: 0.15, silenceSecond: 0.2 },
  second: { soundSecond: 0.3, silenceSecond: 0 },
  doubtfulLogprob: -0.3,
  sureSpeechSecond: 0.25,
};

/**
 * How to decode a chunk, or to try again after `earlier` answers; undefined when the best of them stands.
 *
 * Moonshine's largest single error is to end at once although somebody speaks, and it hears edges: what lies around the speech
 * changes words. So a doubtful answer gets a second opinion with other edges, and an empty one to sure speech a further try with
 * the end token forbidden at first. A caller who asks for a temperature gets one draw.
 */
export function nextAttempt(
  chunk: AttemptedChunk,
  earlier: readonly Hypothesis[],
  options: AttemptOptions = DEFAULT_ATTEMPTS,
): Attempt | undefined {
  const { first, second } = options;
  const greedy = { minimumTokens: 0, temperature: chunk.temperature };
  const heardNothing = earlier.every((hypothesis) => hypothesis.text === '');
  const sureOfSpeech = chunk.speechSecond >= options.sureSpeechSecond;
  switch (earlier.length) {
    case 0:
      return { ...first, ...greedy };
    case 1:
      if (heardNothing && sureOfSpeech) return { ...first, ...greedy, minimumTokens: 1 };
      return chunk.temperature === 0 && isDoubtful(earlier, options) ? { ...second, ...greedy } : undefined;
    case 2:
      return earlier[0]?.text === '' && isDoubtful(earlier, options) ? { ...second, ...greedy } : undefined;
    default:
      return undefined;
  }
}

/** The most probable answer that says something; else the last. */
export function bestHypothesis(hypotheses: readonly Hypothesis[]): Hypothesis | undefined {
  const speaking = hypotheses.filter((hypothesis) => hypothesis.text !== '');
  return speaking.sort((a, b) => b.avgLogprob - a.avgLogprob)[0] ?? hypotheses.at(-1);
}

function isDoubtful(hypotheses: readonly Hypothesis[], options: AttemptOptions): boolean {
  const best = bestHypothesis(hypotheses);
  return best !== undefined && best.text !== '' && best.avgLogprob < options.doubtfulLogprob;
}
