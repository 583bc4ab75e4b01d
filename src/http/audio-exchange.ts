import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AudioSource } from '../audio/audio.ts';
import { AbortedError, InvalidRequestError } from '../errors.ts';
import { renderTranscript } from '../formats/response-format.ts';
import type { Arrival } from '../scheduler/admission.ts';
import type { Services } from '../services.ts';
import { collectTranscript, type TranscriptEvent } from '../transcribe/transcriber.ts';
import type { ScratchFolder } from '../util/scratch-space.ts';
import type { AudioPlan, PlanContext } from './audio-plan.ts';
import { type BodyFormat, bodyFormat } from './body-format.ts';
import { sendContinue } from './expect-continue.ts';
import { checkLimits } from './limits.ts';
import { meterTranscription } from './metered-transcription.ts';
import { observeUpload } from './observe-upload.ts';
import { warningHeaders } from './request-warnings.ts';
import { openTranscriptStream } from './transcript-stream.ts';
import { type FormField, receiveUpload, tooLarge } from './upload.ts';

/** One request with a recording in it, and what is done with it. */
export interface AudioExchange {
  readonly services: Services;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Azure's name for the model, from the path. */
  readonly deployment: string | undefined;
  /** Checks the form. Throws for the first fault. */
  readonly plan: (fields: readonly FormField[], context: PlanContext) => AudioPlan;
}

interface Answer {
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** A stream reads the upload until it closes. */
  readonly payload: Buffer | Readable;
}

/** Receives a recording with its form, has it transcribed, and answers. The upload is gone when the answer is. */
export async function answerAudio(exchange: AudioExchange): Promise<FastifyReply> {
  const { services, request, reply } = exchange;
  await checkLimits(request, reply, services);
  const format = checkEnvelope(request, services.config.maxUploadBytes);
  if (request.gone.aborted) throw new AbortedError();
  const arrival = services.admission.arrive(request.caller?.id);
  reply.raw.once('close', arrival.leave);
  const folder = await services.scratch.create(expectedBytes(request));
  let answer: Answer | undefined;
  try {
    answer = await receiveAndTranscribe(exchange, { format, folder, arrival });
  } finally {
    if (answer?.payload instanceof Readable) answer.payload.once('close', () => void remove(folder, request));
    else await remove(folder, request);
  }
  return reply.headers(answer.headers).send(answer.payload);
}

/** What can be refused before a byte of the body is read. */
function checkEnvelope({ headers }: FastifyRequest, maximumBytes: number): BodyFormat {
  const format = bodyFormat(headers['content-type']);
  const declaredBytes = Number(headers['content-length'] ?? 0);
  if (declaredBytes > maximumBytes) throw tooLarge(maximumBytes, declaredBytes);
  return format;
}

/** A body of unknown length may be anything: it gets a share first, and the disk is looked at again while it comes. */
const UNKNOWN_LENGTH_BYTES = 32 * 1024 * 1024;

function expectedBytes({ headers }: FastifyRequest): number {
  return Number(headers['content-length'] ?? UNKNOWN_LENGTH_BYTES);
}

interface Place {
  readonly format: BodyFormat;
  readonly folder: ScratchFolder;
  readonly arrival: Arrival;
}

async function receiveAndTranscribe(
  exchange: AudioExchange,
  { format, folder, arrival }: Place,
): Promise<Answer> {
  const { services, request, reply } = exchange;
  sendContinue(request.raw, reply.raw);
  const upload = await observeUpload(request, services.metrics, () =>
    receiveUpload(request.raw, {
      format,
      folder: folder.path,
      checkSpace: services.scratch.checkSpace,
      maximumBytes: services.config.maxUploadBytes,
      idleSeconds: services.config.uploadIdleSeconds,
      minimumBytesPerSecond: services.config.uploadMinBytesPerSecond,
    }),
  );
  folder.settle();
  const { strictModel, defaultModel } = services.config;
  const plan = exchange.plan(upload.fields, {
    defaultModel: exchange.deployment ?? (strictModel ? undefined : defaultModel),
    models: services.models,
    transcriber: services.transcriber,
  });
  const file = checkFile(upload.file);
  arrival.enter();
  const events = meterTranscription({ services, request, plan }, (watchers) =>
    services.transcriber.transcribe(file, {
      ...plan.options,
      ...watchers,
      signal: request.gone,
      key: request.caller?.id,
    }),
  );
  return plan.stream ? answerAsStream(events, plan) : answerWhole(events, plan);
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

async function answerWhole(events: AsyncIterable<TranscriptEvent>, plan: AudioPlan): Promise<Answer> {
  const transcript = await collectTranscript(events);
  const warnings = [...plan.warnings, ...transcript.warnings];
  const { contentType, body } = renderTranscript({ ...transcript, warnings }, plan.format, plan.render);
  // A buffer, because fastify adds a charset to JSON sent as text.
  return {
    headers: { 'content-type': contentType, ...warningHeaders(warnings) },
    payload: Buffer.from(body),
  };
}

async function answerAsStream(events: AsyncIterable<TranscriptEvent>, plan: AudioPlan): Promise<Answer> {
  return {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Proxies would otherwise hold events back.
      'x-accel-buffering': 'no',
      ...warningHeaders(plan.warnings),
    },
    payload: await openTranscriptStream(events, {
      logprobs: plan.render.logprobs ?? false,
      warnings: plan.warnings,
    }),
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
