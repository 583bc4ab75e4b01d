import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** Aborted when the client leaves before its answer is written. */
    gone: AbortSignal;
  }
}

/**
 * The close of the response is the one event that tells a departure apart from a body that was read to its end: fastify's own
 * request signal fires for both.
 */
export function addClientGoneHook(app: FastifyInstance): void {
  app.decorateRequest('gone');
  app.addHook('onRequest', async (request, reply) => {
    const controller = new AbortController();
    request.gone = controller.signal;
    if (reply.raw.destroyed) controller.abort();
    reply.raw.once('close', () => {
      if (!reply.raw.writableEnded) controller.abort();
    });
  });
}
