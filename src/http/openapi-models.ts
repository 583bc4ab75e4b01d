import { errorAnswerOf, jsonAnswer, MODEL_PARAMETER, reference } from './openapi-parts.ts';

const REFUSALS = {
  '401': errorAnswerOf('No key, or a wrong one.'),
  '403': errorAnswerOf('No admin key.'),
};

/** `POST /v1/models/pull` */
export function pullModelOperation() {
  return {
    summary: 'Download a model',
    description:
      'For admins. The download belongs to the server: it goes on when the client leaves, and requests for the same model share it. DELETE of the model ends it.',
    operationId: 'pull_model',
    requestBody: {
      required: true,
      content: { 'application/json': { schema: reference('ModelPullRequest') } },
    },
    responses: {
      '200': {
        description: 'The model is here; or, with `stream`, the events until it is.',
        content: {
          'application/json': { schema: reference('ModelPull') },
          'text/event-stream': { schema: reference('ModelPullEvent') },
        },
      },
      '202': jsonAnswer('It is being downloaded; GET tells how far it is.', 'ModelPull'),
      '400': errorAnswerOf('A field cannot be used.'),
      ...REFUSALS,
      '403': errorAnswerOf('No admin key, a licence that was not accepted, or STENO_OFFLINE.'),
      '404': errorAnswerOf('No such model.'),
    },
  };
}

/** `GET /v1/models/pull` */
export function listPullsOperation() {
  return {
    summary: 'Downloads that run, and the last ones that ended',
    description: 'For admins. Those that requests have begun since the server was started.',
    operationId: 'list_pulls',
    responses: { '200': jsonAnswer('The newest first.', 'ModelPullList'), ...REFUSALS },
  };
}

/** `DELETE /v1/models/{model}` */
export function deleteModelOperation() {
  return {
    summary: 'Remove a model from this server',
    description: 'For admins. A download of it is ended. Models of the package stay.',
    operationId: 'delete_model',
    parameters: [MODEL_PARAMETER],
    responses: {
      '200': jsonAnswer('It is gone.', 'ModelDeleted'),
      '400': errorAnswerOf('A model of the package.'),
      ...REFUSALS,
      '404': errorAnswerOf('No such model here.'),
      '409': errorAnswerOf('Requests use it, or another process downloads it.'),
    },
  };
}

/** `POST /v1/models/{model}/verify` */
export function verifyModelOperation() {
  return {
    summary: 'Read all files of a model and compare them with their hashes',
    description: 'For admins. A damaged model is told with status 200 and `ok: false`.',
    operationId: 'verify_model',
    parameters: [MODEL_PARAMETER],
    responses: {
      '200': jsonAnswer('What was found.', 'ModelVerification'),
      ...REFUSALS,
      '404': errorAnswerOf('No such model here.'),
    },
  };
}
