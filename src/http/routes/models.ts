import type { FastifyInstance, FastifyReply } from 'fastify';
import { ModelNotFoundError } from '../../errors.ts';
import type { ModelName, ModelRegistry } from '../../models/catalog.ts';
import type { ModelListResponse, ModelResponse } from '../schemas/model.ts';

/** Ids may hold slashes, raw or as %2F: hence the wildcard. */
export const MODEL_LIST_PATHS = ['/v1/models', '/models'] as const;
export const MODEL_PATHS = ['/v1/models/*', '/models/*'] as const;

export function addModelRoutes(app: FastifyInstance, models: ModelRegistry): void {
  for (const url of MODEL_LIST_PATHS)
    app.get(url, (_request, reply) =>
      sendJson(reply, { object: 'list', data: models.list().map(modelJson) } satisfies ModelListResponse),
    );
  for (const url of MODEL_PATHS)
    app.get<{ Params: { '*': string } }>(url, (request, reply) => {
      const id = request.params['*'];
      const entry = models.list().find(({ name }) => name === id);
      if (entry === undefined)
        throw new ModelNotFoundError(
          id,
          models.list().map(({ name }) => name),
        );
      return sendJson(reply, modelJson(entry));
    });
}

function modelJson({ name, model }: ModelName): ModelResponse {
  return { id: name, object: 'model', created: model.created, owned_by: model.ownedBy };
}

function sendJson(reply: FastifyReply, body: object): FastifyReply {
  return reply.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(body)));
}
