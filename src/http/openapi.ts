import { transcriptionOperation, translationOperation } from './openapi-audio.ts';
import {
  deleteModelOperation,
  listPullsOperation,
  pullModelOperation,
  verifyModelOperation,
} from './openapi-models.ts';
import { errorAnswerOf, jsonAnswer, jsonSchema, MODEL_PARAMETER } from './openapi-parts.ts';
import { errorResponse } from './schemas/error.ts';
import { modelListInclude, modelListResponse, modelResponse } from './schemas/model.ts';
import {
  modelDeletedResponse,
  modelPullEvent,
  modelPullListResponse,
  modelPullRequest,
  modelPullResponse,
  modelVerificationResponse,
} from './schemas/model-pull.ts';
import { modelStateResponse } from './schemas/model-state.ts';
import {
  transcriptEvent,
  transcriptionResponse,
  translationResponse,
} from './schemas/transcription-response.ts';
import { usageQuery, usageResponse } from './schemas/usage.ts';

/** The OpenAPI 3.1 document, made from the schemas that also check the requests. */
export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Stenographer',
      version: '1.0.0',
      description: "Self-hosted speech-to-text that speaks OpenAI's audio API.",
    },
    servers: [{ url: '/' }],
    security: [{ bearerAuth: [] }],
    paths: {
      ...tagged('Audio', {
        '/v1/audio/transcriptions': { post: transcriptionOperation() },
        '/v1/audio/translations': { post: translationOperation() },
      }),
      ...tagged('Models', {
        '/v1/models': { get: listModelsOperation() },
        '/v1/models/{model}': { get: getModelOperation(), delete: deleteModelOperation() },
        '/v1/models/pull': { post: pullModelOperation(), get: listPullsOperation() },
        '/v1/models/{model}/verify': { post: verifyModelOperation() },
        '/v1/models/{model}/load': { post: loadModelOperation() },
        '/v1/models/{model}/unload': { post: unloadModelOperation() },
      }),
      ...tagged('Usage', { '/v1/usage': { get: usageOperation() } }),
      ...tagged('Server', {
        '/metrics': { get: metricsOperation() },
        '/healthz': { get: probeOperation('health', 'The process is alive', {}) },
        '/readyz': {
          get: probeOperation('readiness', 'Models are loaded and new requests are taken', {
            '503': errorAnswerOf('Not ready; `reason` says why.'),
          }),
        },
      }),
    },
    components: {
      securitySchemes: {
        bearerAuth: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A key of `steno keys create`, of STENO_API_KEYS or of the key file. Not needed on a server without keys.',
        },
      },
      schemas: {
        Transcription: jsonSchema(transcriptionResponse),
        TranscriptEvent: jsonSchema(transcriptEvent),
        Translation: jsonSchema(translationResponse),
        Model: jsonSchema(modelResponse),
        ModelList: jsonSchema(modelListResponse),
        ModelPullRequest: jsonSchema(modelPullRequest),
        ModelPull: jsonSchema(modelPullResponse),
        ModelPullList: jsonSchema(modelPullListResponse),
        ModelPullEvent: jsonSchema(modelPullEvent),
        ModelDeleted: jsonSchema(modelDeletedResponse),
        ModelVerification: jsonSchema(modelVerificationResponse),
        ModelState: jsonSchema(modelStateResponse),
        Usage: jsonSchema(usageResponse),
        Error: jsonSchema(errorResponse),
      },
    },
  };
}

type Operations = Readonly<Record<string, Readonly<Record<string, object>>>>;

/** The same operations under a heading of the page that shows them. */
function tagged(tag: string, paths: Operations): Operations {
  const withTag = (operations: Readonly<Record<string, object>>) =>
    Object.fromEntries(
      Object.entries(operations).map(([method, operation]) => [method, { tags: [tag], ...operation }]),
    );
  return Object.fromEntries(Object.entries(paths).map(([path, operations]) => [path, withTag(operations)]));
}

function listModelsOperation() {
  return {
    summary: 'List models',
    operationId: 'list_models',
    parameters: [
      {
        name: 'include',
        in: 'query',
        required: false,
        description: '`downloadable` adds the models of the catalogue that are not installed.',
        schema: { type: 'string', enum: modelListInclude.options },
      },
    ],
    responses: {
      '200': jsonAnswer(
        'Every name that can stand in `model`, and where asked those that could.',
        'ModelList',
      ),
      '400': errorAnswerOf('An unknown value of `include`.'),
      '401': errorAnswerOf('No key, or a wrong one.'),
    },
  };
}

function getModelOperation() {
  return {
    summary: 'Get one model',
    operationId: 'get_model',
    parameters: [
      {
        name: 'model',
        in: 'path',
        required: true,
        description: 'Id or alias; slashes may stand raw or as %2F.',
        schema: { type: 'string' },
      },
    ],
    responses: {
      '200': jsonAnswer('The model, installed or not.', 'Model'),
      '401': errorAnswerOf('No key, or a wrong one.'),
      '404': errorAnswerOf('No such model.'),
    },
  };
}

function loadModelOperation() {
  return {
    summary: 'Load a model into memory',
    description: 'For admins. Answers when it is loaded; it stays as after a request.',
    operationId: 'load_model',
    parameters: [MODEL_PARAMETER],
    responses: {
      '200': jsonAnswer('The model is loaded.', 'ModelState'),
      '400': errorAnswerOf('It needs more memory than models may have.'),
      '401': errorAnswerOf('No key, or a wrong one.'),
      '403': errorAnswerOf('No admin key.'),
      '404': errorAnswerOf('No such model here.'),
      '503': errorAnswerOf('It could not be loaded now; `Retry-After` says when to try again.'),
    },
  };
}

function unloadModelOperation() {
  return {
    summary: "Give a model's memory back",
    description: 'For admins. Answers when its processes have ended; the next request loads it again.',
    operationId: 'unload_model',
    parameters: [MODEL_PARAMETER],
    responses: {
      '200': jsonAnswer('The model is not in memory.', 'ModelState'),
      '401': errorAnswerOf('No key, or a wrong one.'),
      '403': errorAnswerOf('No admin key.'),
      '404': errorAnswerOf('No such model here.'),
      '409': errorAnswerOf('Requests use it.'),
    },
  };
}

function usageOperation(): object {
  const { properties = {} } = jsonSchema(usageQuery);
  return {
    summary: 'What a key has transcribed, by day and model',
    operationId: 'get_usage',
    parameters: Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', schema })),
    responses: {
      '200': jsonAnswer('The figures.', 'Usage'),
      '400': errorAnswerOf('A parameter cannot be used.'),
      '401': errorAnswerOf('No key, or a wrong one.'),
      '403': errorAnswerOf('Figures of other keys need an admin key.'),
    },
  };
}

function metricsOperation() {
  return {
    summary: 'Figures for Prometheus',
    operationId: 'get_metrics',
    responses: {
      '200': { description: 'Text format.', content: { 'text/plain': { schema: { type: 'string' } } } },
      '401': errorAnswerOf('No key, or a wrong one.'),
      '403': errorAnswerOf('No admin key; STENO_METRICS=open needs none.'),
    },
  };
}

function probeOperation(operationId: string, summary: string, failures: object) {
  return { summary, operationId, security: [], responses: { '200': { description: summary }, ...failures } };
}
