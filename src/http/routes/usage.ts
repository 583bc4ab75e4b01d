import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AdminRequiredError, InvalidRequestError } from '../../errors.ts';
import type { Services } from '../../services.ts';
import { type UsageQuery, utcDay } from '../../store/store.ts';
import type { Account } from '../../store/usage-meter.ts';
import { accountOf } from '../limits.ts';
import { type UsageResponse, usageQuery } from '../schemas/usage.ts';

export const USAGE_PATH = '/v1/usage';

/** A key's own figures; with an admin key, or on a server without keys, those of all. */
export function addUsageRoute(app: FastifyInstance, services: Services): void {
  app.get(USAGE_PATH, (request, reply) =>
    reply
      .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
      .send(Buffer.from(JSON.stringify(usageOf(request, services)))),
  );
}

function usageOf(request: FastifyRequest, services: Services): UsageResponse {
  const query = readQuery(request);
  const sums = services.accounts.store.sumUsage(query);
  return {
    object: 'usage',
    key_id: query.keyId ?? null,
    from: query.fromDay,
    to: query.toDay,
    requests: sums.reduce((sum, { requests }) => sum + requests, 0),
    audio_seconds: sums.reduce((sum, { audioMs }) => sum + audioMs, 0) / 1000,
    data: sums.map(({ day, keyId, model, requests, audioMs }) => ({
      day,
      key_id: keyId,
      model,
      requests,
      audio_seconds: audioMs / 1000,
    })),
    limits: limitsOf(accountOf(request, services), services),
  };
}

function readQuery({ query, caller }: FastifyRequest): UsageQuery {
  const parsed = usageQuery.safeParse(query);
  if (!parsed.success) throw refused(parsed.error.issues[0]);
  const today = utcDay(Date.now());
  const { from = `${today.slice(0, 8)}01`, to = today, key_id: wanted } = parsed.data;
  if (from > to) throw new InvalidRequestError('from', 'from must not be later than to.');
  const seesAll = caller === null || caller.scope === 'admin';
  if (!seesAll && wanted !== undefined && wanted !== caller.id) throw new AdminRequiredError();
  return { keyId: seesAll ? wanted : caller.id, fromDay: from, toDay: to };
}

interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function refused(issue: Issue | undefined): InvalidRequestError {
  if (issue === undefined || issue.code === 'unrecognized_keys')
    return new InvalidRequestError('query', 'The query may hold from, to and key_id only.');
  const name = String(issue.path[0]);
  return new InvalidRequestError(name, `${name} ${issue.message}.`);
}

function limitsOf(account: Account, { accounts }: Services): UsageResponse['limits'] {
  const quotas = accounts.usage.quotas(account).map(({ period, limit, used, resetMs }) => {
    const remaining = Math.max(0, Math.round((limit - used) * 1000) / 1000);
    return [period, { limit, used, remaining, resets_at: Math.floor(resetMs / 1000) }] as const;
  });
  const byPeriod = Object.fromEntries(quotas);
  return {
    requests_per_minute: account.limits.requestsPerMinute ?? null,
    audio_seconds_day: byPeriod.day ?? null,
    audio_seconds_month: byPeriod.month ?? null,
  };
}
