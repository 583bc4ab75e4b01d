import { z } from 'zod';
import { errorResponse } from './schemas/error.ts';
import { modelListResponse, modelResponse } from './schemas/model.ts';
import { transcriptionFields } from './schemas/transcription.ts';
import { transcriptionResponse } from './schemas/transcription-response.ts';

/** The OpenAPI 3.1 document, made from the schemas that also check the requests. */
export function openApiDocument() {
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
      '/v1/models': { get: listModelsOperation() },
      '/v1/models/{model}': { get: getModelOperation() },
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
          description: 'One of the keys of STENO_API_KEYS. Not needed on a server without keys.',
        },
      },
      schemas: {
        Transcription: jsonSchema(transcriptionResponse),
        Model: jsonSchema(modelResponse),
        ModelList: jsonSchema(modelListResponse),
        Error: jsonSchema(errorResponse),
      },
    },
  };
}

function transcriptionOperation() {
  return {
    summary: 'Create transcription',
    operationId: 'create_transcription',
    requestBody: {
      required: true,
      content: { 'multipart/form-data': { schema: transcriptionForm() } },
    },
    responses: {
      '200': {
        description: 'The transcription result.',
        headers: {
          'x-request-id': { schema: { type: 'string' } },
          'x-steno-warning': {
            schema: { type: 'string' },
            description: 'What could not be honoured; one header a warning.',
          },
        },
        content: {
          'application/json': { schema: jsonSchema(transcriptionResponse) },
          'text/plain': { schema: { type: 'string' }, description: 'text, srt and vtt.' },
          'text/event-stream': { schema: { type: 'string' }, description: 'With stream=true.' },
        },
      },
      '400': errorAnswerOf('A field or the recording cannot be used; `param` and `code` say which and why.'),
      '401': errorAnswerOf('No key, or a wrong one.'),
      '404': errorAnswerOf('No such model.'),
      '408': errorAnswerOf('The upload stopped or was too slow.'),
      '413': errorAnswerOf('The request body is larger than STENO_MAX_UPLOAD_BYTES.'),
      '415': errorAnswerOf('This server cannot read the format (no ffmpeg), or the body is compressed.'),
      '503': errorAnswerOf('Queue full or shutting down; Retry-After says when to come back.'),
    },
  };
}

/** The form as sent: array fields carry brackets. `model` is listed as required although a default is there, as clients expect. */
function transcriptionForm() {
  const { properties = {} } = jsonSchema(transcriptionFields);
  const { timestamp_granularities, include, ...fields } = properties;
  return {
    type: 'object',
    properties: {
      file: {
        type: 'string',
        format: 'binary',
        description:
          'The audio file to transcribe. Supported formats: flac, mp3, mp4, mpeg, mpga, m4a, oga, ogg, wav, webm; recognised by ' +
          'content, not by name.',
      },
      ...fields,
      'timestamp_granularities[]': timestamp_granularities,
      'include[]': include,
    },
    required: ['file', 'model'],
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

function probeOperation(operationId: string, summary: string, failures: object) {
  return { summary, operationId, security: [], responses: { '200': { description: summary }, ...failures } };
}

function errorAnswerOf(description: string) {
  return jsonAnswer(description, 'Error');
}

function jsonAnswer(description: string, schema: 'Error' | 'Model' | 'ModelList') {
  return {
    description,
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
  };
}

function jsonSchema(schema: z.ZodType) {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}
