import type { FastifyInstance, FastifyRequest } from 'fastify';

/** One line a request when it is over. Routes are logged by pattern: paths, queries, names and texts of clients are not. */
export function addAccessLogHook(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    const startMs = performance.now();
    reply.raw.once('close', () => {
      const fields = {
        method: request.method,
        route: request.routeOptions.url ?? 'unknown',
        status: reply.raw.headersSent ? reply.raw.statusCode : undefined,
        tookMs: Math.round(performance.now() - startMs),
        caller: request.caller?.id,
        clientRequestId: clientRequestId(request),
        clientLeft: !reply.raw.writableFinished || undefined,
      };
      if (isProbe(fields.route)) request.log.debug(fields, 'request');
      else request.log.info(fields, 'request');
    });
  });
}

function isProbe(route: string): boolean {
  return ['/', '/health', '/healthz', '/readyz'].includes(route);
}

/** A client's own id helps to find its request; anything that does not look like an id is left out. */
function clientRequestId(request: FastifyRequest): string | undefined {
  const header = request.headers['x-request-id'] ?? request.headers['x-client-request-id'];
  return typeof header === 'string' && /^[\w.:-]{1,128}$/.test(header) ? header : undefined;
}
