import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AudioSource } from '../audio/audio.ts';
import { renderInTurns } from '../formats/response-format.ts';
import type { Arrival } from '../scheduler/admission.ts';
import type { Services } from '../services.ts';
import { collectTranscript, type TranscriptEvent } from '../transcribe/transcriber.ts';
import type { AudioPlan, PlanContext } from './audio-plan.ts';
import { meterTranscription } from './metered-transcription.ts';
import { warningHeaders } from './request-warnings.ts';
import { openTranscriptStream } from './transcript-stream.ts';
import type { FormField } from './upload.ts';

/** One request with a recording in it, and what is done with it. */
export interface AudioExchange {
  readonly services: Services;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Azure's name for the model, from the path. */
  readonly deployment: string | undefined;
  /** Last part of the path, here and at other services. */
  readonly endpoint: 'transcriptions' | 'translations';
  /** Checks the form. Throws for the first fault. */
  readonly plan: (fields: readonly FormField[], context: PlanContext) => AudioPlan;
}

/** What is sent to the client. */
export interface Answer {
  /** Default 200. */
  readonly status?: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** A stream reads the upload until it closes. */
  readonly payload: Buffer | Readable;
  /** Resolves when the upload is needed no more, once the stream (if it is one) has closed. Never rejects. */
  readonly settled?: () => Promise<void>;
}

/** What made the answer: a local model's id, or `upstream/model`. */
export const SERVED_BY = 'x-steno-served-by';

export interface LocalWork {
  readonly services: Services;
  readonly request: FastifyRequest;
  readonly plan: AudioPlan;
  readonly file: AudioSource;
  readonly arrival: Arrival;
}

/** Transcribes with a model of this server. Throws what failed before the first byte of the answer. */
export async function answerLocally(work: LocalWork): Promise<Answer> {
  const { services, request, plan, file, arrival } = work;
  arrival.enter();
  const servedBy = services.models.resolve(plan.options.model).id;
  const events = meterTranscription({ services, request, plan, model: servedBy }, (watchers) =>
    services.transcriber.transcribe(file, {
      ...plan.options,
      ...watchers,
      signal: request.gone,
      key: request.caller?.id,
    }),
  );
  const answer = plan.stream ? await answerAsStream(events, plan) : await answerWhole(events, plan);
  return { ...answer, headers: { ...answer.headers, [SERVED_BY]: servedBy } };
}

async function answerWhole(events: AsyncIterable<TranscriptEvent>, plan: AudioPlan): Promise<Answer> {
  const transcript = await collectTranscript(events);
  const warnings = [...plan.warnings, ...transcript.warnings];
  const { contentType, body } = await renderInTurns({ ...transcript, warnings }, plan.format, plan.render);
  // A buffer, because fastify adds a charset to JSON sent as text.
  return { headers: { 'content-type': contentType, ...warningHeaders(warnings) }, payload: body };
}

async function answerAsStream(events: AsyncIterable<TranscriptEvent>, plan: AudioPlan): Promise<Answer> {
  return {
    headers: { ...STREAM_HEADERS, ...warningHeaders(plan.warnings) },
    payload: await openTranscriptStream(events, {
      logprobs: plan.render.logprobs ?? false,
      warnings: plan.warnings,
    }),
  };
}

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Proxies would otherwise hold events back.
  'x-accel-buffering': 'no',
} as const;
