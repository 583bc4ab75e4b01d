import type { z } from 'zod';
import { errorAnswerOf, jsonSchema, reference } from './openapi-parts.ts';
import { transcriptionFields } from './schemas/transcription.ts';
import { transcriptionResponse } from './schemas/transcription-response.ts';
import { translationFields } from './schemas/translation.ts';

/** The operation of the seed document: its answer stands in place, not as a reference. */
export function transcriptionOperation() {
  return {
    summary: 'Create transcription',
    operationId: 'create_transcription',
    requestBody: audioBody(transcriptionFields, SPEAKER_AND_CHUNKING_FIELDS),
    responses: {
      '200': {
        description: 'The transcription result.',
        headers: ANSWER_HEADERS,
        content: {
          'application/json': { schema: jsonSchema(transcriptionResponse) },
          'text/plain': { schema: { type: 'string' }, description: 'text, srt and vtt.' },
          'text/event-stream': {
            schema: reference('TranscriptEvent'),
            description:
              'With stream=true: each `data:` line is one event, the last one is `[DONE]`. A failure after the first event is an event ' +
              'with an `error` object, and then the end.',
          },
        },
      },
      ...AUDIO_ERRORS,
    },
  };
}

export function translationOperation() {
  return {
    summary: 'Create translation into English',
    operationId: 'create_translation',
    requestBody: audioBody(translationFields, {}),
    responses: {
      '200': {
        description: 'The translation result.',
        headers: ANSWER_HEADERS,
        content: {
          'application/json': { schema: reference('Translation') },
          'text/plain': { schema: { type: 'string' }, description: 'text, srt and vtt.' },
        },
      },
      ...AUDIO_ERRORS,
      '400': errorAnswerOf('A field or the recording cannot be used, or the model cannot translate.'),
    },
  };
}

const ANSWER_HEADERS = {
  'x-request-id': { schema: { type: 'string' } },
  'openai-processing-ms': { schema: { type: 'integer' } },
  'x-steno-warning': {
    schema: { type: 'string' },
    description: 'What could not be honoured; one header a warning.',
  },
  'x-steno-served-by': {
    schema: { type: 'string' },
    description: 'The model that answered, or upstream/model for one of another service.',
  },
};

const AUDIO_ERRORS = {
  '400': errorAnswerOf('A field or the recording cannot be used; `param` and `code` say which and why.'),
  '401': errorAnswerOf('No key, or a wrong one.'),
  '404': errorAnswerOf('No such model.'),
  '408': errorAnswerOf('The upload stopped or was too slow.'),
  '413': errorAnswerOf('The request body is larger than STENO_MAX_UPLOAD_BYTES.'),
  '415': errorAnswerOf('This server cannot read the format (no ffmpeg), or the body is compressed.'),
  '429': errorAnswerOf(
    'Too many requests a minute, or the quota of audio seconds is used up, or the service behind the model takes no more.',
  ),
  '500': errorAnswerOf('The server or its speech engine failed.'),
  '502': errorAnswerOf('The service behind the model failed, or refuses this server.'),
  '503': errorAnswerOf('Queue full, loading or shutting down; Retry-After says when to come back.'),
  '504': errorAnswerOf('The service behind the model did not answer in time.'),
  '507': errorAnswerOf('No disk space left for the upload.'),
};

/** Fields for models unlike ours: accepted, checked where we can, and answered with a warning. */
const SPEAKER_AND_CHUNKING_FIELDS = {
  chunking_strategy: {
    anyOf: [
      { type: 'string', enum: ['auto'] },
      {
        type: 'object',
        properties: {
          type: { type: 'string', enum: ['server_vad'] },
          prefix_padding_ms: { type: 'integer', minimum: 0 },
          silence_duration_ms: { type: 'integer', minimum: 0 },
          threshold: { type: 'number', minimum: 0, maximum: 1 },
        },
        required: ['type'],
        additionalProperties: false,
      },
    ],
    description:
      'Recordings are always cut at pauses, as with `auto`. The numbers of server_vad have no effect and are answered with a warning.',
  },
  known_speaker_names: {
    type: 'array',
    items: { type: 'string' },
    description: 'No effect: no model here tells speakers apart. Answered with a warning.',
  },
  known_speaker_references: {
    type: 'array',
    items: { type: 'string' },
    description: 'No effect: no model here tells speakers apart. Answered with a warning.',
  },
};

/** The form as sent: lists carry brackets. `model` is listed as required although a default is there, as clients expect. */
function audioBody(fields: z.ZodType, further: object) {
  const { properties = {} } = jsonSchema(fields);
  const plain = Object.entries({ ...properties, ...further });
  const bracketed = plain.map(([name, schema]) => [isList(schema) ? `${name}[]` : name, schema]);
  const inputAudio = {
    type: 'object',
    properties: {
      data: { type: 'string', contentEncoding: 'base64', description: 'The recording.' },
      format: { type: 'string', description: 'Has no effect: the content decides.' },
    },
    required: ['data'],
  };
  return {
    required: true,
    content: {
      'multipart/form-data': {
        schema: {
          type: 'object',
          properties: { file: AUDIO_FILE, ...Object.fromEntries(bracketed) },
          required: ['file', 'model'],
        },
      },
      'application/json': {
        schema: {
          type: 'object',
          description: 'An extension: the same fields as JSON, the recording in base64.',
          properties: {
            input_audio: inputAudio,
            file: { type: 'string', description: 'Instead of input_audio: base64, or a data URL.' },
            ...Object.fromEntries(plain),
          },
        },
      },
    },
  };
}

const AUDIO_FILE = {
  type: 'string',
  format: 'binary',
  description:
    'The audio file to transcribe. Supported formats: flac, mp3, mp4, mpeg, mpga, m4a, oga, ogg, wav, webm; recognised by ' +
    'content, not by name.',
};

function isList(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && 'items' in schema;
}
