import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ModelInUseError } from '../../errors.ts';
import type { Services } from '../../services.ts';
import type { ModelStateResponse } from '../schemas/model-state.ts';
import { answerVerification } from './model-admin.ts';
import { MODEL_PATHS } from './models.ts';
import { refuseMethod } from './refuse-method.ts';

type ModelRequest = FastifyRequest<{ Params: { '*': string } }>;

/**
 * For admins: `POST /v1/models/{id}/load` has a model loaded before its first request, `/unload` gives its memory back. Both answer when
 * it is done.
 */
export function addModelResidencyRoutes(app: FastifyInstance, services: Services): void {
  const handler = async (request: ModelRequest, reply: FastifyReply): Promise<FastifyReply> => {
    // Ids may hold slashes, so that only the end of the path tells what is asked.
    const [, name, action] = /^(.+)\/(load|unload|verify)$/.exec(request.params['*']) ?? [];
    if (name === undefined) return refuseMethod(request, reply, ['GET', 'HEAD', 'DELETE']);
    if (action === 'verify') return answerVerification(services, request, reply, name);
    const model = services.models.resolve(name);
    const startWithinSeconds = services.config.maxQueueSeconds;
    if (action === 'load') await services.pools.load(model, { startWithinSeconds });
    else if (!(await services.pools.unload(model.id))) throw new ModelInUseError(model.id);
    const answer: ModelStateResponse = {
      id: model.id,
      object: 'model',
      state: services.pools.loadStateOf(model.id).state,
    };
    return reply.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(answer)));
  };
  for (const url of MODEL_PATHS) app.post(url, handler);
}
