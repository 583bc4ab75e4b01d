import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Services } from '../../services.ts';
import { errorAnswer } from '../error-response.ts';
import { readJsonBody } from '../json-body.ts';
import { createModelPulls } from '../model-pulls.ts';
import {
  type ModelDeletedResponse,
  type ModelPullListResponse,
  type ModelVerificationResponse,
  modelPullRequest,
} from '../schemas/model-pull.ts';
import { eventStream } from '../sse.ts';
import { MODEL_PATHS } from './models.ts';

/** Before ids in the order of routes: a model of this name could not be asked for. */
export const MODEL_PULL_PATHS = ['/v1/models/pull', '/models/pull'] as const;

/**
 * For admins: download, list of downloads, removal. Import is the command's alone: a path in a request would let whoever has an admin
 * key read files of the server.
 */
export function addModelAdminRoutes(app: FastifyInstance, { library, logger }: Services): void {
  const pulls = createModelPulls(library, logger as FastifyInstance['log']);
  for (const url of MODEL_PULL_PATHS) {
    app.post(url, async (request, reply) => {
      const { model, stream, accept_licence, force } = await readJsonBody(request, reply, modelPullRequest);
      const pull = pulls.start(model, { force, acceptLicence: accept_licence });
      if (!stream) return sendJson(reply.code(pull.state().finished_at === null ? 202 : 200), pull.state());
      return reply
        .headers({
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-cache',
          'x-accel-buffering': 'no',
        })
        .send(eventStream(pull.events(), { onError: (error) => errorAnswer(error).body }));
    });
    app.get(url, (_request, reply) =>
      sendJson(reply, { object: 'list', data: [...pulls.list()] } satisfies ModelPullListResponse),
    );
  }
  for (const url of MODEL_PATHS)
    app.delete<{ Params: { '*': string } }>(url, async (request, reply) => {
      const { id, freedBytes } = await library.remove(request.params['*']);
      logger.info({ model: id, freedBytes }, 'a model was removed');
      return sendJson(reply, {
        id,
        object: 'model',
        deleted: true,
        freed_bytes: freedBytes,
      } satisfies ModelDeletedResponse);
    });
}

/** `POST /v1/models/{id}/verify`; ends with the client. */
export async function answerVerification(
  { library }: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
): Promise<FastifyReply> {
  const { model, ok, outdated, files } = await library.verify(name, request.gone);
  return sendJson(reply, {
    object: 'model.verification',
    model,
    ok,
    outdated,
    files: files.map((file) => ({
      name: file.name,
      ok: file.problem === undefined,
      problem: file.problem ?? null,
    })),
  } satisfies ModelVerificationResponse);
}

function sendJson(reply: FastifyReply, body: object): FastifyReply {
  return reply
    .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    .send(Buffer.from(JSON.stringify(body)));
}
