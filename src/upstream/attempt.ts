import { answerFacts, header, type Refusal, readRefusal, readWhole, type WholeAnswer } from './answer.ts';
import type { CallOutcome } from './circuit-breaker.ts';
import { type EventAnswer, openEvents } from './event-answer.ts';
import { ConnectionError, type RawAnswer, type SendOptions, type UpstreamClient } from './upstream-client.ts';
import { type AttemptFailure, connectionFailure, refusalFailure } from './upstream-error.ts';

/** What the client can be given. */
export type Forwarded = WholeAnswer | EventAnswer | Refusal;

export type AttemptEnd = { readonly answer: Forwarded } | FailedAttempt;

export interface FailedAttempt {
  readonly failure: AttemptFailure;
  /** The service's answer, if there was one. */
  readonly raw?: RawAnswer;
  /** The connection ended before any answer. */
  readonly isCutEarly: boolean;
}

export interface AttemptOptions {
  readonly client: UpstreamClient;
  readonly apiKey: string | undefined;
  /** `upstream/model`. */
  readonly target: string;
  /** What the client asked for. */
  readonly responseFormat: string;
  readonly send: SendOptions;
  /** A stream that had begun broke off by the service's doing. */
  readonly onBroken: () => void;
}

/** One HTTP request and what came of it. Throws only what is not the service's doing. */
export async function attempt(options: AttemptOptions): Promise<AttemptEnd> {
  const { client, target, send } = options;
  let raw: RawAnswer | undefined;
  try {
    raw = await client.send(send);
    if (raw.status >= 200 && raw.status < 300) return { answer: await readAnswer(raw, options) };
    const refusal = withoutKey(await readRefusal(raw), options.apiKey);
    const failure = refusalFailure(refusal, raw.headers, target);
    return failure === undefined ? { answer: refusal } : { failure, raw, isCutEarly: false };
  } catch (error) {
    raw?.cancel();
    const failure = connectionFailure(error, target);
    if (failure === undefined) throw error;
    const isCut = error instanceof ConnectionError && error.trouble === 'cut';
    return { failure, isCutEarly: isCut && raw === undefined };
  }
}

async function readAnswer(raw: RawAnswer, options: AttemptOptions): Promise<WholeAnswer | EventAnswer> {
  const encoding = header(raw.headers, 'content-encoding') ?? 'identity';
  if (encoding.trim().toLowerCase() !== 'identity') throw new ConnectionError('invalid', 'content_encoding');
  if (!/^\s*text\/event-stream\b/i.test(answerFacts(raw).contentType ?? ''))
    return readWhole(raw, options.responseFormat);
  return openEvents(raw, (error) => {
    const failure = connectionFailure(error, options.target);
    if (failure === undefined) return error;
    options.onBroken();
    return failure.error;
  });
}

/** No service should repeat a key; what never leaves cannot leak. */
function withoutKey(refusal: Refusal, apiKey: string | undefined): Refusal {
  if (refusal.error === undefined || apiKey === undefined || apiKey === '') return refusal;
  return {
    ...refusal,
    error: { ...refusal.error, message: refusal.error.message.replaceAll(apiKey, '[key]') },
  };
}

/** One model's name may be wrong while all others work. */
const UNKNOWN_THERE: ReadonlySet<number> = new Set([404, 405]);

/** A refusal shows that the service works; being asked to wait says neither. */
const OUTCOMES = {
  ok: 'success',
  refused: 'success',
  limited: 'neutral',
  misconfigured: 'failure',
  failed: 'failure',
  timeout: 'failure',
  unreachable: 'failure',
  aborted: 'neutral',
} as const;

/**
 * What a failed attempt tells the circuit breaker. A connection that ends before the answer is mostly one that was idle for too long:
 * while another attempt follows on a new one, it is no sign of trouble.
 */
export function verdict({ failure, isCutEarly }: FailedAttempt, isTriedAgain: boolean): CallOutcome {
  if (UNKNOWN_THERE.has(failure.detail.status ?? 0) || (isCutEarly && isTriedAgain)) return 'neutral';
  return OUTCOMES[failure.outcome];
}
