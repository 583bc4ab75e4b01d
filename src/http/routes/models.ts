import type { FastifyInstance, FastifyReply } from 'fastify';
import { InvalidRequestError, ModelNotFoundError } from '../../errors.ts';
import type { ListedModel } from '../../models/listed-model.ts';
import type { ModelListing } from '../../models/listing.ts';
import { type ModelListResponse, type ModelResponse, modelListInclude } from '../schemas/model.ts';

/** Ids may hold slashes, raw or as %2F: hence the wildcard. */
export const MODEL_LIST_PATHS = ['/v1/models', '/models'] as const;
export const MODEL_PATHS = ['/v1/models/*', '/models/*'] as const;

type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

export function addModelRoutes(app: FastifyInstance, models: ModelListing): void {
  for (const url of MODEL_LIST_PATHS)
    app.get<{ Querystring: Query }>(url, (request, reply) => {
      const listed = wantsDownloadable(request.query)
        ? [...models.usable(), ...models.downloadable()]
        : models.usable();
      return sendJson(reply, { object: 'list', data: listed.map(modelJson) } satisfies ModelListResponse);
    });
  for (const url of MODEL_PATHS)
    app.get<{ Params: { '*': string } }>(url, (request, reply) => {
      const id = request.params['*'];
      const found = models.find(id);
      if (found === undefined)
        throw new ModelNotFoundError(
          id,
          models.usable().map(({ name }) => name),
        );
      return sendJson(reply, modelJson(found));
    });
}

/** `include=downloadable`, `include[]=downloadable`. Other parameters are ignored, as OpenAI does. */
function wantsDownloadable(query: Query): boolean {
  const values = [query.include, query['include[]']].flat().filter((value) => value !== undefined);
  const unknown = values.find((value) => !modelListInclude.safeParse(value).success);
  if (unknown !== undefined)
    throw new InvalidRequestError(
      'include',
      `include takes ${modelListInclude.options.join(', ')}, not '${unknown.slice(0, 64)}'.`,
    );
  return values.length > 0;
}

/** OpenAI's object first, key by key in its order; what we add comes after. */
function modelJson({ name, created, ownedBy, state, reason, targets, ...rest }: ListedModel): ModelResponse {
  const { model, abilities, sizeBytes } = rest;
  return {
    id: name,
    object: 'model',
    created,
    owned_by: ownedBy,
    state,
    ...(reason === undefined ? {} : { state_reason: reason }),
    ...(model === undefined ? {} : { model: model.id }),
    ...(targets === undefined ? {} : { targets: [...targets] }),
    ...(model === undefined
      ? {}
      : {
          title: model.title,
          languages: [...model.languages],
          abilities: [...(abilities ?? [])],
          licence: model.licence,
          ...(model.licenceUrl === undefined ? {} : { licence_url: model.licenceUrl }),
          ...(model.restriction === undefined ? {} : { licence_restriction: model.restriction }),
          size_bytes: sizeBytes ?? 0,
          memory_bytes: model.memoryBytes,
          speed: model.speed,
        }),
  };
}

function sendJson(reply: FastifyReply, body: object): FastifyReply {
  return reply.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(body)));
}
