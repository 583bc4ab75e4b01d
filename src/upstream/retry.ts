/** How an attempt ended, as far as it matters for another one. */
export interface AttemptEnd {
  /** Undefined when no answer came: refused, cut, silent. */
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined;
}

export interface RetryRules {
  /** Further attempts that are left. */
  readonly left: number;
  /** Failed attempts so far, this one counted: 1, 2 ... */
  readonly attempt: number;
  /** Longest pause worth waiting: short where another target is at hand. */
  readonly longestPauseMs: number;
  /** Unix milliseconds, for dates. */
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
}

export type RetryDecision =
  | { readonly retry: true; readonly pauseMs: number }
  /** `retryAfterMs`: when the service wants to be asked again, if it said so. */
  | { readonly retry: false; readonly retryAfterMs?: number };

const FIRST_PAUSE_MS = 500;
const LONGEST_OWN_PAUSE_MS = 8000;
/** Waits that official clients obey (contract 5.3); a longer one is no pause but a refusal. */
export const LONGEST_PAUSE_MS = 60_000;

/**
 * The rules of OpenAI's own clients: another attempt after 408, 409, 429, 5xx and where no answer came, unless `x-should-retry` says
 * otherwise. The pause is what the service asks for, else 0.5 s doubled each time up to 8 s, less up to a quarter by chance.
 */
export function decideRetry(end: AttemptEnd, rules: RetryRules): RetryDecision {
  const askedMs = askedPauseMs(end.headers ?? {}, rules.nowMs);
  const stop: RetryDecision =
    askedMs === undefined ? { retry: false } : { retry: false, retryAfterMs: askedMs };
  if (rules.left <= 0 || !mayHelp(end)) return stop;
  if (askedMs !== undefined && askedMs > Math.min(rules.longestPauseMs, LONGEST_PAUSE_MS)) return stop;
  return { retry: true, pauseMs: askedMs ?? ownPauseMs(rules) };
}

function mayHelp({ status, headers }: AttemptEnd): boolean {
  const said = single(headers?.['x-should-retry'])?.trim().toLowerCase();
  if (said === 'true') return true;
  if (said === 'false') return false;
  return status === undefined || status === 408 || status === 409 || status === 429 || status >= 500;
}

function ownPauseMs({ attempt, random }: RetryRules): number {
  const pauseMs = Math.min(LONGEST_OWN_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  return pauseMs * (1 - random / 4);
}

/** `retry-after-ms`, else `retry-after` in seconds or as a date (RFC 9110, 10.2.3). Undefined when neither can be read. */
export function askedPauseMs(headers: NonNullable<AttemptEnd['headers']>, nowMs: number): number | undefined {
  const ms = readNumber(single(headers['retry-after-ms']));
  if (ms !== undefined) return ms;
  const text = single(headers['retry-after']);
  const seconds = readNumber(text);
  if (seconds !== undefined) return seconds * 1000;
  // Date.parse takes much for a date that is none.
  const date = Date.parse(/ GMT\s*$/.test(text ?? '') ? (text ?? '') : '');
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function readNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}
