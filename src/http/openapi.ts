import { transcriptionOperation, translationOperation } from './openapi-audio.ts';
import { errorAnswerOf, jsonAnswer, jsonSchema } from './openapi-parts.ts';
import { errorResponse } from './schemas/error.ts';
import { modelListResponse, modelResponse } from './schemas/model.ts';
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
      '/v1/audio/transcriptions': { post: transcriptionOperation() },
      '/v1/audio/translations': { post: translationOperation() },
      '/v1/models': { get: listModelsOperation() },
      '/v1/models/{model}': { get: getModelOperation() },
      '/v1/usage': { get: usageOperation() },
      '/metrics': { get: metricsOperation() },
      '/healthz': { get: probeOperation('health', 'The process is alive', {}) },
      '/readyz': {
        get: probeOperation('readiness', 'Models are loaded and new requests are taken', {
          '503': errorAnswerOf('Not ready; `reason` says why.'),
        }),
      },
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
        Usage: jsonSchema(usageResponse),
        Error: jsonSchema(errorResponse),
      },
    },
  };
}

function listModelsOperation() {
  return {
    summary: 'List models',
    operationId: 'list_models',
    responses: {
      '200': jsonAnswer('Every name that can stand in `model`.', 'ModelList'),
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
      '200': jsonAnswer('The model.', 'Model'),
      '401': errorAnswerOf('No key, or a wrong one.'),
      '404': errorAnswerOf('No such model.'),
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
