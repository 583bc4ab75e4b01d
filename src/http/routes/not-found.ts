import type { FastifyInstance, FastifyRequest, HTTPMethods } from 'fastify';
import { StenographerError } from '../../errors.ts';
import { HEALTH_PATHS } from './health.ts';
import { METRICS_PATH } from './metrics.ts';
import { MODEL_LIST_PATHS, MODEL_PATHS } from './models.ts';
import { OPENAPI_PATH } from './page.ts';
import { TRANSCRIPTION_PATHS } from './transcriptions.ts';
import { TRANSLATION_PATHS } from './translations.ts';
import { USAGE_PATH } from './usage.ts';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const READING: readonly HTTPMethods[] = ['GET', 'HEAD'];

/** 404 for paths that do not exist, 405 with `Allow` for methods that a path does not have. */
export function addNotFoundRoutes(app: FastifyInstance): void {
  for (const url of [...TRANSCRIPTION_PATHS, ...TRANSLATION_PATHS]) refuseOtherMethods(app, url, ['POST']);
  for (const url of [...MODEL_LIST_PATHS, ...MODEL_PATHS, ...HEALTH_PATHS, OPENAPI_PATH, USAGE_PATH])
    refuseOtherMethods(app, url, READING);
  if (app.hasRoute({ method: 'GET', url: METRICS_PATH })) refuseOtherMethods(app, METRICS_PATH, READING);
  app.setNotFoundHandler(async (request) => {
    throw new StenographerError('unknown_url', `Invalid URL (${printableTarget(request)}).`);
  });
}

function refuseOtherMethods(app: FastifyInstance, url: string, allowed: readonly HTTPMethods[]): void {
  app.route({
    method: METHODS.filter((method) => !allowed.includes(method)),
    url,
    handler: async (request, reply) => {
      reply.header('allow', [...allowed, 'OPTIONS'].join(', '));
      throw new StenographerError(
        'method_not_allowed',
        `Invalid method for URL (${printableTarget(request)}). Allowed: ${allowed.join(', ')}.`,
      );
    },
  });
}

/** Method and path, without the query, which may hold anything. */
function printableTarget({ method, url }: FastifyRequest): string {
  const path = url.split('?', 1)[0] ?? '';
  return `${method} ${path.replace(/[^\x21-\x7e]/g, '?').slice(0, 200)}`;
}
