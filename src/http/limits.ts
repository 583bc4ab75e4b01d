import type { FastifyReply, FastifyRequest } from 'fastify';
import { RateLimitError } from '../errors.ts';
import type { Services } from '../services.ts';
import type { WindowState } from '../store/rate-window.ts';
import type { Account } from '../store/usage-meter.ts';

/** Usage of a server without keys is counted under this name. */
const NOBODY = 'none';

/** On whose account a request goes. */
export function accountOf(request: FastifyRequest, { accounts }: Services): Account {
  const { caller } = request;
  return caller === null
    ? { keyId: NOBODY, limits: accounts.limits }
    : { keyId: caller.id, limits: caller.limits };
}

/**
 * Counts a transcription against its key's rate and looks whether any of its quota is left, before a byte of the body is read. The
 * answer, whatever it becomes, tells where the key stands. Throws RateLimitError, QuotaExceededError.
 */
export async function checkLimits(
  request: FastifyRequest,
  reply: FastifyReply,
  services: Services,
): Promise<void> {
  const account = accountOf(request, services);
  const limit = account.limits.requestsPerMinute;
  if (limit !== undefined) {
    const state = await services.accounts.requestRate.take(account.keyId, limit);
    reply.headers(rateHeaders(state));
    if (!state.allowed) throw tooMany(state);
  }
  services.accounts.usage.check(account);
}

function rateHeaders({ limit, remaining, resetSecond }: WindowState): Record<string, string> {
  return {
    'x-ratelimit-limit-requests': String(limit),
    'x-ratelimit-remaining-requests': String(remaining),
    'x-ratelimit-reset-requests': goDuration(resetSecond),
  };
}

function tooMany({ limit, resetSecond }: WindowState): RateLimitError {
  return new RateLimitError(
    `Rate limit reached: ${limit} transcription requests a minute with this key. Try again in ${goDuration(resetSecond)}.`,
    resetSecond,
  );
}

/** As Go prints durations: 6ms, 1.5s, 1m0.5s. */
export function goDuration(seconds: number): string {
  const ms = Math.round(seconds * 1000);
  if (ms < 1000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const rest = `${(ms % 60_000) / 1000}s`;
  return minutes === 0 ? rest : `${minutes}m${rest}`;
}
