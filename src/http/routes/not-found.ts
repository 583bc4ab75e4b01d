import type { FastifyInstance, HTTPMethods } from 'fastify';
import { StenographerError } from '../../errors.ts';
import { HEALTH_PATHS } from './health.ts';
import { METRICS_PATH } from './metrics.ts';
import { MODEL_PULL_PATHS } from './model-admin.ts';
import { MODEL_LIST_PATHS, MODEL_PATHS } from './models.ts';
import { OPENAPI_PATH } from './page.ts';
import { printableTarget, refuseMethod } from './refuse-method.ts';
import { TRANSCRIPTION_PATHS } from './transcriptions.ts';
import { TRANSLATION_PATHS } from './translations.ts';
import { USAGE_PATH } from './usage.ts';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const READING: readonly HTTPMethods[] = ['GET', 'HEAD'];

/** 404 for paths that do not exist, 405 with `Allow` for methods that a path does not have. */
export function addNotFoundRoutes(app: FastifyInstance): void {
  for (const url of [...TRANSCRIPTION_PATHS, ...TRANSLATION_PATHS]) refuseOtherMethods(app, url, ['POST']);
  // POST of a model is taken by its own route, which tells what it is for.
  for (const url of MODEL_PATHS)
    refuseOtherMethods(app, url, [...READING, 'POST', 'DELETE'], [...READING, 'DELETE']);
  for (const url of MODEL_PULL_PATHS) refuseOtherMethods(app, url, [...READING, 'POST']);
  for (const url of [...MODEL_LIST_PATHS, ...HEALTH_PATHS, OPENAPI_PATH, USAGE_PATH])
    refuseOtherMethods(app, url, READING);
  if (app.hasRoute({ method: 'GET', url: METRICS_PATH })) refuseOtherMethods(app, METRICS_PATH, READING);
  app.setNotFoundHandler(async (request) => {
    throw new StenographerError('unknown_url', `Invalid URL (${printableTarget(request)}).`);
  });
}

function refuseOtherMethods(
  app: FastifyInstance,
  url: string,
  served: readonly HTTPMethods[],
  allowed: readonly HTTPMethods[] = served,
): void {
  app.route({
    method: METHODS.filter((method) => !served.includes(method)),
    url,
    handler: async (request, reply) => refuseMethod(request, reply, allowed),
  });
}
