import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AudioSource } from '../../audio/audio.ts';
import {
  AbortedError,
  InvalidRequestError,
  StenographerError,
  UnsupportedLanguageError,
} from '../../errors.ts';
import { renderTranscript } from '../../formats/response-format.ts';
import type { Services } from '../../services.ts';
import { collectTranscript, type TranscriptEvent } from '../../transcribe/transcriber.ts';
import type { ScratchFolder } from '../../util/scratch-space.ts';
import { sendContinue } from '../expect-continue.ts';
import { multipartBoundary } from '../multipart-parser.ts';
import {
  checkCapabilities,
  type HttpCapabilities,
  requestWarnings,
  warningHeaders,
} from '../request-warnings.ts';
import { parseTranscriptionFields, type TranscriptionRequest } from '../schemas/transcription.ts';
import { openTranscriptStream } from '../transcript-stream.ts';
import { receiveUpload, tooLarge, type Upload } from '../upload.ts';

/** OpenAI's path, the same without /v1, and Azure's with the model as deployment name. */
export const TRANSCRIPTION_PATHS = [
  '/v1/audio/transcriptions',
  '/audio/transcriptions',
  '/openai/deployments/:deployment/audio/transcriptions',
] as const;

export function addTranscriptionRoutes(
  app: FastifyInstance,
  services: Services,
  capabilities: HttpCapabilities,
): void {
  for (const url of TRANSCRIPTION_PATHS)
    app.post<{ Params: { deployment?: string } }>(url, (request, reply) =>
      transcribe({ services, capabilities, request, reply, deployment: request.params.deployment }),
    );
}

interface Exchange {
  readonly services: Services;
  readonly capabilities: HttpCapabilities;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Azure's name for the model, from the path. */
  readonly deployment: string | undefined;
}

interface Answer {
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** A stream reads the upload until it closes. */
  readonly payload: Buffer | Readable;
}

async function transcribe(exchange: Exchange): Promise<FastifyReply> {
  const { services, request, reply } = exchange;
  const boundary = checkEnvelope(request, services.config.maxUploadBytes);
  if (request.gone.aborted) throw new AbortedError();
  reply.raw.once('close', services.admission.enter());
  const folder = await services.scratch.create();
  let answer: Answer | undefined;
  try {
    answer = await receiveAndTranscribe(exchange, { boundary, folder: folder.path });
  } finally {
    if (answer?.payload instanceof Readable) answer.payload.once('close', () => void remove(folder, request));
    else await remove(folder, request);
  }
  return reply.headers(answer.headers).send(answer.payload);
}

async function receiveAndTranscribe(
  exchange: Exchange,
  place: { readonly boundary: string; readonly folder: string },
): Promise<Answer> {
  const { services, request, reply } = exchange;
  sendContinue(request.raw, reply.raw);
  const upload = await receiveUpload(request.raw, {
    ...place,
    maximumBytes: services.config.maxUploadBytes,
    idleSeconds: services.config.uploadIdleSeconds,
  });
  const { fields, file } = checkForm(upload, exchange);
  const events = services.transcriber.transcribe(file, {
    model: fields.model,
    language: fields.language,
    prompt: fields.prompt,
    temperature: fields.temperature,
    signal: request.gone,
    key: request.caller?.id,
  });
  return fields.stream ? answerAsStream(events, fields) : answerWhole(events, fields);
}

/** What can be refused before a byte of the body is read. */
function checkEnvelope({ headers }: FastifyRequest, maximumBytes: number): string {
  const boundary = multipartBoundary(headers['content-type']);
  if (boundary === undefined) throw unsupportedContentType(headers['content-type']);
  const declaredBytes = Number(headers['content-length'] ?? 0);
  if (declaredBytes > maximumBytes) throw tooLarge(maximumBytes, declaredBytes);
  return boundary;
}

function checkForm(upload: Upload, { services, capabilities, deployment }: Exchange) {
  const { strictModel, defaultModel } = services.config;
  const fields = parseTranscriptionFields(upload.fields, {
    defaultModel: deployment ?? (strictModel ? undefined : defaultModel),
  });
  const { languages } = services.models.resolve(fields.model);
  if (fields.language !== undefined && !languages.includes(fields.language))
    throw new UnsupportedLanguageError(fields.language, fields.model, languages);
  checkCapabilities(fields, capabilities);
  return { fields, file: checkFile(upload.file) };
}

function checkFile(file: AudioSource | undefined): AudioSource {
  if (file === undefined)
    throw new InvalidRequestError(
      'file',
      'The field file is required: a recording as a file upload in multipart/form-data.',
      'missing_required_parameter',
    );
  if (file.sizeBytes === 0)
    throw new InvalidRequestError('file', 'The uploaded file is empty.', 'audio_too_short');
  return file;
}

async function answerWhole(
  events: AsyncIterable<TranscriptEvent>,
  fields: TranscriptionRequest,
): Promise<Answer> {
  const transcript = await collectTranscript(events);
  const warnings = [...requestWarnings(fields), ...transcript.warnings];
  const { contentType, body } = renderTranscript({ ...transcript, warnings }, fields.response_format, {
    granularities: fields.timestamp_granularities,
  });
  // A buffer, because fastify adds a charset to JSON sent as text.
  return {
    headers: { 'content-type': contentType, ...warningHeaders(warnings) },
    payload: Buffer.from(body),
  };
}

async function answerAsStream(
  events: AsyncIterable<TranscriptEvent>,
  fields: TranscriptionRequest,
): Promise<Answer> {
  return {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Proxies would otherwise hold events back.
      'x-accel-buffering': 'no',
      ...warningHeaders(requestWarnings(fields)),
    },
    payload: await openTranscriptStream(events),
  };
}

/** Whatever comes of it, the answer does not change any more. */
async function remove(folder: ScratchFolder, { log }: FastifyRequest): Promise<void> {
  try {
    await folder[Symbol.asyncDispose]();
  } catch (error) {
    log.error({ err: error }, 'a scratch folder could not be removed');
  }
}

function unsupportedContentType(contentType: string | undefined): StenographerError {
  const media = contentType?.split(';', 1)[0]?.trim() ?? '';
  const received = /^[\w.+-]{1,64}\/[\w.+-]{1,64}$/.test(media) ? media : 'no readable media type';
  return new StenographerError(
    'unsupported_content_type',
    `The request has Content-Type ${received}; send multipart/form-data with the recording in the field file.`,
  );
}
