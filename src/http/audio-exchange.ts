import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AudioSource } from '../audio/audio.ts';
import { AbortedError, InvalidRequestError } from '../errors.ts';
import type { Arrival } from '../scheduler/admission.ts';
import type { ScratchFolder } from '../util/scratch-space.ts';
import { answerRouted } from './answer-routed.ts';
import { type Answer, type AudioExchange, answerLocally } from './audio-answer.ts';
import { type BodyFormat, bodyFormat } from './body-format.ts';
import { sendContinue } from './expect-continue.ts';
import { checkLimits } from './limits.ts';
import { observeUpload } from './observe-upload.ts';
import { modelOf } from './schemas/audio-fields.ts';
import { groupFields } from './schemas/form-fields.ts';
import { receiveUpload, tooLarge } from './upload.ts';

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
    const { payload, settled } = answer ?? {};
    const release = async (): Promise<void> => {
      await settled?.();
      await remove(folder, request);
    };
    if (payload instanceof Readable) payload.once('close', () => void release());
    else if (settled !== undefined) void release();
    else await release();
  }
  return reply
    .code(answer.status ?? 200)
    .headers(answer.headers)
    .send(answer.payload);
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
      takesReferences: services.gateway.leadsElsewhere,
    }),
  );
  folder.settle();
  const { strictModel, defaultModel } = services.config;
  const context = {
    defaultModel: exchange.deployment ?? (strictModel ? undefined : defaultModel),
    models: services.models,
    transcriber: services.transcriber,
  };
  const route = services.gateway.route(modelOf(groupFields(upload.fields), context.defaultModel));
  if (route !== undefined)
    return answerRouted({ exchange, route, upload, file: checkFile(upload.file), arrival, context });
  const plan = exchange.plan(upload.fields, context);
  return answerLocally({ services, request, plan, file: checkFile(upload.file), arrival });
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

/** Whatever comes of it, the answer does not change any more. */
async function remove(folder: ScratchFolder, { log }: FastifyRequest): Promise<void> {
  try {
    await folder[Symbol.asyncDispose]();
  } catch (error) {
    log.error({ err: error }, 'a scratch folder could not be removed');
  }
}
