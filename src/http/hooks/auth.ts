import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { AdminRequiredError, RateLimitError, StenographerError } from '../../errors.ts';
import type { Services } from '../../services.ts';
import { keyForm } from '../../store/api-key.ts';
import type { Caller } from '../../store/key-ring.ts';
import type { WindowState } from '../../store/rate-window.ts';
import { METRICS_PATH } from '../routes/metrics.ts';
import { MODEL_PULL_PATHS } from '../routes/model-admin.ts';
import { MODEL_PATHS } from '../routes/models.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose key was presented; null on public routes and when no key is configured. */
    caller: Caller | null;
  }
}

/** Routes that answer without a key; with the documentation on also those below `/docs`. Everything else is refused. */
const PUBLIC_ROUTES: ReadonlySet<string> = new Set(['/', '/health', '/healthz', '/readyz']);

/** Routes for admin keys only: whatever the method, or with the one in front. */
const ADMIN_ROUTES: ReadonlySet<string> = new Set([
  METRICS_PATH,
  ...MODEL_PULL_PATHS,
  ...MODEL_PATHS.flatMap((url) => [`POST ${url}`, `DELETE ${url}`]),
]);

function isAdminRoute(route: string | undefined, method: string): boolean {
  return route !== undefined && (ADMIN_ROUTES.has(route) || ADMIN_ROUTES.has(`${method} ${route}`));
}

/** The settings that open routes. */
export type AccessSettings = Pick<Services['config'], 'docs' | 'metrics' | 'maxFailedKeysPerMinute'>;

export function isPublicRoute(route: string | undefined, { docs, metrics }: AccessSettings): boolean {
  if (route === undefined) return false;
  if (PUBLIC_ROUTES.has(route)) return true;
  if (route === METRICS_PATH) return metrics === 'open';
  return docs && (route === '/openapi.json' || route === '/docs' || route.startsWith('/docs/'));
}

/** Denies by default: a route added later needs a key without being told so. */
export function addAuthHook(app: FastifyInstance, services: Services): void {
  const { keys, config } = services;
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request) => {
    const route = request.routeOptions.url;
    if (!keys.required || isPublicRoute(route, config)) return;
    const key = presentedKey(request.headers);
    if (key === undefined) throw missingKey();
    await checkGuessing(key, request.ip, services);
    request.caller = keys.authenticate(key) ?? null;
    if (request.caller === null) throw await refusedKey(key, request.ip, services);
    if (isAdminRoute(route, request.method) && request.caller.scope !== 'admin')
      throw new AdminRequiredError();
  });
}

/**
 * An address that has sent many unknown keys is answered without a look at the next one, for the rest of the minute. Keys of the
 * form we make go through: nobody can guess one, and an honest client does not suffer from a neighbour behind the same address.
 */
async function checkGuessing(key: string, address: string, { accounts, config }: Services): Promise<void> {
  const limit = config.maxFailedKeysPerMinute;
  if (limit === 0 || keyForm(key) === 'complete') return;
  const state = await accounts.failedKeys.look(networkOf(address), limit);
  if (!state.allowed) throw tooManyKeys(state);
}

async function refusedKey(
  key: string,
  address: string,
  { accounts, config, metrics }: Services,
): Promise<StenographerError> {
  metrics.failedKeys.inc();
  const limit = config.maxFailedKeysPerMinute;
  if (limit === 0) return wrongKey(key);
  const state = await accounts.failedKeys.take(networkOf(address), limit);
  return state.allowed ? wrongKey(key) : tooManyKeys(state);
}

/** Whoever has an IPv6 address has a whole /64 of them. */
function networkOf(address: string): string {
  const text = address.replace(/^::ffff:/, '');
  return text.includes(':') ? text.split(':').slice(0, 4).join(':') : text;
}

function tooManyKeys({ limit, resetSecond }: WindowState): RateLimitError {
  return new RateLimitError(
    `More than ${limit} requests with unknown API keys came from this address within a minute ` +
      `(STENO_MAX_FAILED_KEYS_PER_MINUTE). Try again in ${Math.ceil(resetSecond)} seconds with a right key.`,
    resetSecond,
  );
}

/** `Authorization: Bearer key` in any case, or Azure's `api-key: key`. Never from the URL, which ends up in logs. */
function presentedKey(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^\s*bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? '')?.[1];
  const azure = headers['api-key'];
  return bearer ?? (typeof azure === 'string' && azure !== '' ? azure : undefined);
}

function missingKey(): StenographerError {
  return new StenographerError(
    'missing_api_key',
    "You didn't provide an API key. Send it in the Authorization header: Authorization: Bearer YOUR_KEY.",
  );
}

function wrongKey(key: string): StenographerError {
  const hint =
    keyForm(key) === 'damaged'
      ? 'It is cut or mistyped: its checksum is wrong.'
      : 'Use a key that the operator of this server made (steno keys create) or configured.';
  return new StenographerError('invalid_api_key', `Incorrect API key provided: ${maskKey(key)}. ${hint}`);
}

/** Enough of the key to recognise it, never enough to use it. */
export function maskKey(key: string): string {
  const printable = key.replace(/[^\x21-\x7e]/g, '?');
  return printable.length < 12 ? '***' : `${printable.slice(0, 3)}***${printable.slice(-4)}`;
}
