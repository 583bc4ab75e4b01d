import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { StenographerError } from '../../errors.ts';
import type { KeyRing } from '../../store/key-ring.ts';
import { hostNameOf, isLoopbackHost } from '../loopback.ts';

export interface BrowserGuardOptions {
  /** When keys are required, a foreign page can do nothing without one. */
  readonly keys: Pick<KeyRing, 'required'>;
  /** The address the server listens on. */
  readonly host: string;
}

const ALLOWED_METHODS = 'GET, HEAD, POST, DELETE, OPTIONS';
const DEFAULT_ALLOWED_HEADERS =
  'authorization, content-type, api-key, openai-organization, openai-project, openai-beta, x-request-id, x-client-request-id, ' +
  'x-stainless-arch, x-stainless-async, x-stainless-helper-method, x-stainless-lang, x-stainless-os, x-stainless-package-version, ' +
  'x-stainless-read-timeout, x-stainless-retry-count, x-stainless-runtime, x-stainless-runtime-version, x-stainless-timeout';
const EXPOSED_HEADERS =
  'x-request-id, openai-processing-ms, retry-after, retry-after-ms, x-should-retry, x-steno-warning, ' +
  'server-timing, x-steno-timing, ' +
  'x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests';

/**
 * What web pages may do (docs/decisions/0002-cors.md). With API keys: any origin, since the key is the permission and no cookie
 * exists. Without keys: only pages of this machine or of this server; on loopback the Host header must name this machine too, or a
 * page could reach the server through a DNS name of its own.
 */
export function addBrowserGuardHook(app: FastifyInstance, options: BrowserGuardOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    checkHost(request, options);
    checkOrigin(request, options);
    if (!isApiPath(request.url)) return;
    allowOrigin(request, reply);
    if (request.method === 'OPTIONS') return answerOptions(request, reply);
  });
}

function checkHost({ headers }: FastifyRequest, { keys, host }: BrowserGuardOptions): void {
  if (!isLoopbackHost(host) || headers.host === undefined) return;
  const name = hostNameOf(headers.host);
  if ((name !== undefined && isLoopbackHost(name)) || keys.required) return;
  throw new StenographerError(
    'forbidden_host',
    'Without API keys this server answers only requests whose Host header is localhost or a loopback address. Set STENO_API_KEYS to serve others.',
  );
}

function checkOrigin({ headers }: FastifyRequest, { keys }: BrowserGuardOptions): void {
  const origin = headers.origin;
  if (origin === undefined || keys.required) return;
  const name = hostNameOf(origin);
  if (name !== undefined && (isLoopbackHost(name) || sameHost(origin, headers.host))) return;
  throw new StenographerError(
    'forbidden_origin',
    'Without API keys this server does not answer web pages of other origins than localhost. Set STENO_API_KEYS to allow them.',
  );
}

function sameHost(origin: string, host: string | undefined): boolean {
  return host !== undefined && origin.replace(/^https?:\/\//, '').toLowerCase() === host.toLowerCase();
}

function isApiPath(url: string): boolean {
  return /^\/+(?:v1|audio|models|openai)(?:[/?]|$)/.test(url);
}

function allowOrigin({ headers }: FastifyRequest, reply: FastifyReply): void {
  if (headers.origin === undefined) return;
  reply.header('access-control-allow-origin', headers.origin);
  reply.header('access-control-expose-headers', EXPOSED_HEADERS);
  reply.header('vary', 'Origin');
}

/** A preflight carries no key, so it is answered before keys are looked at. */
function answerOptions({ headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const requested = headers['access-control-request-headers'];
  return reply
    .code(204)
    .headers({
      allow: ALLOWED_METHODS,
      'access-control-allow-methods': ALLOWED_METHODS,
      'access-control-allow-headers': isHeaderList(requested) ? requested : DEFAULT_ALLOWED_HEADERS,
      'access-control-max-age': '600',
      vary: 'Origin, Access-Control-Request-Headers',
    })
    .send();
}

function isHeaderList(value: string | undefined): value is string {
  return value !== undefined && value.length < 4096 && /^[\w-]+(?:\s*,\s*[\w-]+)*$/.test(value);
}
