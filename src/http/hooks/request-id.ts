import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';

/** `req_` and 32 hexadecimal digits; ours even when the client sends one. */
export function newRequestId(): string {
  return `req_${randomBytes(16).toString('hex')}`;
}

/** Headers that every answer carries, errors too. */
export function addRequestIdHooks(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    reply.header('openai-version', '2020-10-01');
  });
  app.addHook('onSend', async (_request, reply) => {
    reply.header('openai-processing-ms', String(Math.round(reply.elapsedTime)));
  });
}
