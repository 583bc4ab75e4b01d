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

/** Close to the speech, then true silence: the best single way on the shared sets (docs/decisions/0003 has the table). */
const TIGHT = { soundSecond: 0.1, silenceSecond: 0.25 } as const;
/** The recording's own sound and nothing added: the other way, which is right where TIGHT is unsure. */
const NATURAL = { soundSecond: 0.3, silenceSecond: 0 } as const;
/** Below this mean log probability an answer is doubted; above it a second opinion changed nothing for the better. */
const DOUBTFUL_LOGPROB = -0.3;
/** Speech of this length holds at least one word. */
const SURE_SPEECH_SECOND = 0.25;

/**
 * How to decode a chunk, or to try again after `earlier` answers; undefined when the best of them stands.
 *
 * Moonshine's largest single error is to end at once although somebody speaks, and it hears edges: what lies around the speech
 * changes words. So a doubtful answer gets a second opinion with other edges, and an empty one to sure speech a further try with
 * the end token forbidden at first. A caller who asks for a temperature gets one draw.
 */
export function nextAttempt(chunk: AttemptedChunk, earlier: readonly Hypothesis[]): Attempt | undefined {
  const greedy = { minimumTokens: 0, temperature: chunk.temperature };
  const heardNothing = earlier.every((hypothesis) => hypothesis.text === '');
  const sureOfSpeech = chunk.speechSecond >= SURE_SPEECH_SECOND;
  switch (earlier.length) {
    case 0:
      return { ...TIGHT, ...greedy };
    case 1:
      if (heardNothing && sureOfSpeech) return { ...TIGHT, ...greedy, minimumTokens: 1 };
      return chunk.temperature === 0 && isDoubtful(earlier) ? { ...NATURAL, ...greedy } : undefined;
    case 2:
      return earlier[0]?.text === '' && isDoubtful(earlier) ? { ...NATURAL, ...greedy } : undefined;
    default:
      return undefined;
  }
}

/** The most probable answer that says something; else the last. */
export function bestHypothesis(hypotheses: readonly Hypothesis[]): Hypothesis | undefined {
  const speaking = hypotheses.filter((hypothesis) => hypothesis.text !== '');
  return speaking.sort((a, b) => b.avgLogprob - a.avgLogprob)[0] ?? hypotheses.at(-1);
}

function isDoubtful(hypotheses: readonly Hypothesis[]): boolean {
  const best = bestHypothesis(hypotheses);
  return best !== undefined && best.text !== '' && best.avgLogprob < DOUBTFUL_LOGPROB;
}
