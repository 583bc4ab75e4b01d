import type { FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { StenographerError } from '../../errors.ts';

/** Throws what becomes 405, and says in `Allow` which methods there are. */
export function refuseMethod(
  request: FastifyRequest,
  reply: FastifyReply,
  allowed: readonly HTTPMethods[],
): never {
  reply.header('allow', [...allowed, 'OPTIONS'].join(', '));
  throw new StenographerError(
    'method_not_allowed',
    `Invalid method for URL (${printableTarget(request)}). Allowed: ${allowed.join(', ')}.`,
  );
}

/** Method and path, without the query, which may hold anything. */
export function printableTarget({ method, url }: FastifyRequest): string {
  const path = url.split('?', 1)[0] ?? '';
  return `${method} ${path.replace(/[^\x21-\x7e]/g, '?').slice(0, 200)}`;
}
