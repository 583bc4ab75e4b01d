import { UpstreamError, type UpstreamErrorCode } from '../errors.ts';
import { header, type Refusal } from './answer.ts';
import type { LimitHit } from './limits.ts';
import { type AnswerHeaders, ConnectionError } from './upstream-client.ts';

/** How attempts end, for figures and logs. */
export type AttemptOutcome =
  | 'ok'
  /** The service finds the request wrong. */
  | 'refused'
  /** Too many requests for it. */
  | 'limited'
  /** Key, address or model are wrong: ours to mend. */
  | 'misconfigured'
  /** It failed, or its answer is none. */
  | 'failed'
  | 'timeout'
  | 'unreachable'
  /** The client left. */
  | 'aborted';

/** An attempt without an answer for the client, and what it means. */
export interface AttemptFailure {
  readonly outcome: AttemptOutcome;
  readonly error: UpstreamError;
  /** For the log: a status or the system's error. The service's words may hold what the client wrote. */
  readonly detail: { readonly status?: number; readonly code?: string };
}

const PAUSE_SECOND = 5;

/** Undefined for a refusal that is the client's to read. `target` is upstream/model. */
export function refusalFailure(
  refusal: Refusal,
  headers: AnswerHeaders,
  target: string,
): AttemptFailure | undefined {
  const { status, error } = refusal;
  const pauseSecond = header(headers, 'x-should-retry') === 'false' ? undefined : PAUSE_SECOND;
  const detail = {
    status,
    ...(header(headers, 'location') === undefined ? {} : { code: 'redirect' }),
  };
  const failure = (outcome: AttemptOutcome, upstreamError: UpstreamError) => ({
    outcome,
    error: upstreamError,
    detail,
  });
  if (status === 429 && !isAccountEmpty(error))
    return failure(
      'limited',
      new UpstreamError('upstream_limit', target, 'takes no more requests now', pauseSecond),
    );
  if (OURS.has(status) || status < 400 || status === 429)
    return failure('misconfigured', misconfigured(target));
  if (status === 413)
    return failure('refused', new UpstreamError('file_too_large', target, 'takes no recording of this size'));
  if (status === 408 || status === 504)
    return failure(
      'timeout',
      new UpstreamError('upstream_timeout', target, 'did not answer in time', pauseSecond),
    );
  if (status === 503)
    return failure(
      'failed',
      new UpstreamError('upstream_unavailable', target, 'is not available now', pauseSecond),
    );
  if (status === 409 || status >= 500)
    return failure('failed', new UpstreamError('upstream_error', target, 'failed', pauseSecond));
  return undefined;
}

/** Statuses that say something about our key, account, address or model name, not about the client's request. */
const OURS: ReadonlySet<number> = new Set([401, 402, 403, 404, 405, 407, 410, 421, 426]);

/** Not a rate: the account has no money left. */
function isAccountEmpty(error: Refusal['error']): boolean {
  return error?.code === 'insufficient_quota' || error?.type === 'insufficient_quota';
}

function misconfigured(target: string, cause?: unknown): UpstreamError {
  const words = 'cannot be used as this server is configured; its operator has to mend that';
  return new UpstreamError('upstream_misconfigured', target, words, undefined, cause);
}

/** For what {@link UpstreamClient.send} throws. Undefined for what is none of the service's doing. */
export function connectionFailure(thrown: unknown, target: string): AttemptFailure | undefined {
  if (!(thrown instanceof ConnectionError)) return undefined;
  const { trouble, code } = thrown;
  const error = (errorCode: UpstreamErrorCode, words: string) =>
    new UpstreamError(errorCode, target, words, PAUSE_SECOND, thrown);
  switch (trouble) {
    case 'unreachable':
      return {
        outcome: 'unreachable',
        error: error('upstream_unavailable', 'cannot be reached'),
        detail: { code },
      };
    case 'untrusted':
      return { outcome: 'misconfigured', error: misconfigured(target, thrown), detail: { code } };
    case 'cut':
      return {
        outcome: 'failed',
        error: error('upstream_error', 'broke the connection off'),
        detail: { code },
      };
    case 'timeout':
      return {
        outcome: 'timeout',
        error: error('upstream_timeout', 'did not answer in time'),
        detail: { code },
      };
    case 'invalid':
      return {
        outcome: 'failed',
        error: error('upstream_error', 'gave an answer that cannot be read'),
        detail: { code },
      };
  }
}

export function limitError({ limit, retryAfterSecond }: LimitHit, target: string): UpstreamError {
  const words = {
    maxConcurrent: 'has as many requests in work as it may have',
    requestsPerMinute: 'has been asked as often as it may be this minute',
    audioSecondsPerDay: 'has had as much audio today as it may have',
  }[limit];
  // A retry after hours is none.
  return new UpstreamError(
    'upstream_limit',
    target,
    words,
    retryAfterSecond <= 60 ? retryAfterSecond : undefined,
  );
}

export function openError(waitMs: number, target: string): UpstreamError {
  return new UpstreamError(
    'upstream_unavailable',
    target,
    'has failed too often and is left alone for a while',
    waitMs / 1000,
  );
}
