import type { FastifyInstance, FastifyReply } from 'fastify';
import { StenographerError } from '../../errors.ts';
import type { Readiness } from '../../services/readiness.ts';
import type { Services } from '../../services.ts';
import { errorAnswer } from '../error-response.ts';

export const HEALTH_PATHS = ['/', '/health', '/healthz', '/readyz'] as const;

/** `/healthz` says that the process lives, `/readyz` that it can transcribe. Neither needs a key nor touches the engine. */
export function addHealthRoutes(app: FastifyInstance, services: Services): void {
  app.get('/healthz', (_request, reply) => sendStatus(reply, 200, { status: 'ok' }));
  app.get('/health', (_request, reply) => sendStatus(reply, 200, { status: 'ok' }));
  app.get('/', (_request, reply) =>
    sendStatus(reply, 200, {
      name: 'stenographer',
      status: 'ok',
      ready: services.readiness().ready,
      ...(services.config.docs ? { documentation: '/docs', openapi: '/openapi.json' } : {}),
    }),
  );
  app.get('/readyz', (_request, reply) => {
    const readiness = services.readiness();
    return readiness.ready
      ? sendStatus(reply, 200, { status: 'ready', formats: readableFormats(readiness) })
      : sendNotReady(reply, readiness.reason ?? 'starting');
  });
}

function readableFormats({ ffmpeg }: Readiness): object {
  return ffmpeg.available ? { all: true } : { all: false, only: ['wav'], hint: ffmpeg.hint };
}

function sendNotReady(reply: FastifyReply, reason: string): FastifyReply {
  const { status, headers, body } = errorAnswer(
    new StenographerError('not_ready', `The server cannot transcribe now: ${reason}.`, {
      retryAfterSecond: 5,
    }),
  );
  reply.headers(headers);
  return sendStatus(reply, status, { status: 'unavailable', reason, ...body });
}

function sendStatus(reply: FastifyReply, status: number, body: object): FastifyReply {
  return reply
    .code(status)
    .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    .send(Buffer.from(JSON.stringify(body)));
}
