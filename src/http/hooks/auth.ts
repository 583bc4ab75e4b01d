import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { StenographerError } from '../../errors.ts';
import type { Caller, KeyRing } from '../../store/key-ring.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose key was presented; null on public routes and when no key is configured. */
    caller: Caller | null;
  }
}

/** Routes that answer without a key; with the documentation on also those below `/docs`. Everything else is refused. */
const PUBLIC_ROUTES: ReadonlySet<string> = new Set(['/', '/health', '/healthz', '/readyz']);

export function isPublicRoute(route: string | undefined, docs: boolean): boolean {
  if (route === undefined) return false;
  if (PUBLIC_ROUTES.has(route)) return true;
  return docs && (route === '/openapi.json' || route === '/docs' || route.startsWith('/docs/'));
}

/** Denies by default: a route added later needs a key without being told so. */
export function addAuthHook(app: FastifyInstance, { keys, docs }: { keys: KeyRing; docs: boolean }): void {
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request) => {
    if (!keys.required || isPublicRoute(request.routeOptions.url, docs)) return;
    const key = presentedKey(request.headers);
    if (key === undefined) throw missingKey();
    request.caller = keys.authenticate(key) ?? null;
    if (request.caller === null) throw wrongKey(key);
  });
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
  return new StenographerError(
    'invalid_api_key',
    `Incorrect API key provided: ${maskKey(key)}. Keys are those of STENO_API_KEYS or the key file of this server.`,
  );
}

/** Enough of the key to recognise it, never enough to use it. */
export function maskKey(key: string): string {
  const printable = key.replace(/[^\x21-\x7e]/g, '?');
  return printable.length < 12 ? '***' : `${printable.slice(0, 3)}***${printable.slice(-4)}`;
}
