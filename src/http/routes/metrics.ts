import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../../metrics.ts';

export const METRICS_PATH = '/metrics';

/** Figures in Prometheus' text format. */
export function addMetricsRoute(app: FastifyInstance, metrics: Metrics): void {
  app.get(METRICS_PATH, async (_request, reply) =>
    reply
      .headers({ 'content-type': metrics.contentType, 'cache-control': 'no-store' })
      .send(Buffer.from(await metrics.render())),
  );
}
