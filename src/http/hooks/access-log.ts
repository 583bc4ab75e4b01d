import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Metrics } from '../../metrics.ts';
import { Timings } from '../timings.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Filled while the request is worked on; told in the log, in figures and, as far as known, in the answer's headers. */
    timings: Timings;
  }
}

/** One line a request when it is over. Routes are logged by pattern: paths, queries, names and texts of clients are not. */
export function addAccessLogHook(app: FastifyInstance, metrics: Metrics): void {
  app.decorateRequest('timings');
  app.addHook('onRequest', async (request, reply) => {
    request.timings = new Timings();
    const startMs = performance.now();
    reply.raw.once('close', () => {
      const tookMs = performance.now() - startMs;
      const route = request.routeOptions.url ?? 'unknown';
      const status = reply.raw.headersSent ? reply.raw.statusCode : undefined;
      const fields = {
        method: request.method,
        route,
        status,
        tookMs: Math.round(tookMs),
        caller: request.caller?.id,
        timings: request.timings.forLog(),
        servedBy: reply.getHeader('x-steno-served-by'),
        clientRequestId: clientRequestId(request),
        clientLeft: !reply.raw.writableFinished || undefined,
      };
      if (isProbe(route)) request.log.debug(fields, 'request');
      else request.log.info(fields, 'request');
      metrics.requests.inc({ method: methodLabel(request.method), route, status: status ?? 0 });
      metrics.requestSeconds.observe({ route }, tookMs / 1000);
      for (const [stage, second] of request.timings.entries())
        metrics.stageSeconds.observe({ stage }, second);
    });
  });
  app.addHook('onSend', async (request, reply) => {
    const text = request.timings.forHeader();
    if (text !== undefined) reply.headers({ 'server-timing': text, 'x-steno-timing': text });
  });
}

function isProbe(route: string): boolean {
  return ['/', '/health', '/healthz', '/readyz', '/metrics'].includes(route);
}

/** The parser knows some thirty methods; a label for each would let clients make series. */
function methodLabel(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].includes(method) ? method : 'other';
}

/** A client's own id helps to find its request; anything that does not look like an id is left out. */
function clientRequestId(request: FastifyRequest): string | undefined {
  const header = request.headers['x-request-id'] ?? request.headers['x-client-request-id'];
  return typeof header === 'string' && /^[\w.:-]{1,128}$/.test(header) ? header : undefined;
}
