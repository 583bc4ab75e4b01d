import { Readable } from 'node:stream';
import type { AudioSource } from '../audio/audio.ts';
import { fileExtension } from '../audio/file-extension.ts';
import { AbortedError, InvalidRequestError, UpstreamError } from '../errors.ts';
import type { AnswerFacts, Refusal, WholeAnswer } from '../upstream/answer.ts';
import type { EventAnswer } from '../upstream/event-answer.ts';
import { formBody } from '../upstream/form-body.ts';
import type { Target } from '../upstream/routes.ts';
import type { Attempt } from '../upstream/upstream.ts';
import { type Answer, type AudioExchange, SERVED_BY, STREAM_HEADERS } from './audio-answer.ts';
import { errorAnswer } from './error-response.ts';
import { type ForwardMeter, meterForward } from './forward-metering.ts';
import { warningHeaders } from './request-warnings.ts';
import { groupFields, textOf } from './schemas/form-fields.ts';
import type { FormField, Upload } from './upload.ts';

export type UpstreamTarget = Extract<Target, { kind: 'upstream' }>;

export interface ForwardWork {
  readonly exchange: AudioExchange;
  readonly target: UpstreamTarget;
  readonly upload: Upload;
  readonly file: AudioSource;
  /** Another target is left. */
  readonly hasAlternative: boolean;
}

/**
 * Has an upstream answer: the form goes there with its fields as they came, all but the model's name, and the answer comes back in its own
 * bytes. Throws UpstreamError where another target may do better.
 */
export async function forwardAudio(work: ForwardWork): Promise<Answer> {
  const { target, upload, file, exchange, hasAlternative } = work;
  const { services, request } = exchange;
  refuseFiles(upload.fields);
  const responseFormat = textOf(groupFields(upload.fields).get('response_format')) ?? 'json';
  const { upstream } = target;
  const meter = await meterForward({
    services,
    request,
    file,
    target: target.id,
    responseFormat,
    limitsAudio: upstream.limitsAudio,
  });
  try {
    const answer = await upstream.forward({
      endpoint: exchange.endpoint,
      model: target.model,
      body: formBody(fieldsFor(target.model, upload.fields), {
        source: file,
        disposition: upload.fileHeaders?.disposition,
        contentType: upload.fileHeaders?.contentType,
        fallbackName: await nameFor(upload),
      }),
      responseFormat,
      headers: {
        'user-agent': 'stenographer',
        // Joins the logs of both sides.
        'x-request-id': request.id,
        via: nextVia(request.headers.via, target),
      },
      audioSecond: meter.audioSecond,
      hasAlternative,
      signal: request.gone,
      onAttempt: (attempt) => report(work, attempt),
    });
    if (answer.kind === 'events') return answerEvents(work, answer, meter);
    if (answer.kind === 'whole') {
      const counted = meter.count('completed', answer.toldSecond);
      if ((meter.audioSecond ?? answer.toldSecond) !== undefined) await counted;
      return { ...answerWhole(target, answer), settled: () => counted };
    }
    meter.cancel();
    return answerRefusal(target, answer);
  } catch (error) {
    meter.cancel();
    if (error instanceof AbortedError) services.metrics.cancelled.inc();
    throw error;
  }
}

/** Files beside the recording are not kept; without them the form would not be what the client sent. */
function refuseFiles(fields: readonly FormField[]): void {
  const file = fields.find(({ isFile }) => isFile);
  if (file === undefined) return;
  const name = file.name.replace(/[^\w.[\]-]/g, '?').slice(0, 64);
  throw new InvalidRequestError(name, `The field ${name} must be sent as text, not as a file.`);
}

/** Only what came without a name needs one. */
async function nameFor({ file, fileHeaders }: Upload): Promise<string> {
  const isNamed = file === undefined || fileHeaders?.disposition !== undefined;
  return isNamed ? 'audio' : `audio.${await fileExtension(file)}`;
}

function fieldsFor(model: string, fields: readonly FormField[]): FormField[] {
  return [{ name: 'model', value: model }, ...fields.filter(({ name }) => name !== 'model')];
}

const MOST_HOPS = 3;

/** RFC 9110, 7.6.3: whoever sends a message on adds itself. Two servers that route to each other must not do so for ever. */
function nextVia(header: string | undefined, { id }: UpstreamTarget): string {
  const hops = (header ?? '').split(',').filter((hop) => hop.trim() !== '');
  if (hops.filter((hop) => /\bstenographer\b/.test(hop)).length >= MOST_HOPS)
    throw new UpstreamError(
      'upstream_misconfigured',
      id,
      'is not asked: this request has already passed several Stenographers, which seem to route to each other',
    );
  return [...hops.slice(-10).map((hop) => hop.trim().slice(0, 100)), '1.1 stenographer'].join(', ');
}

function report({ exchange, target }: ForwardWork, attempt: Attempt): void {
  const { metrics } = exchange.services;
  const upstream = target.upstream.name;
  const { number, outcome, second, detail, pauseMs } = attempt;
  metrics.upstreamRequests.inc({ upstream, outcome });
  if (outcome !== 'aborted') metrics.upstreamSeconds.observe({ upstream }, second);
  if (pauseMs !== undefined) metrics.upstreamRetries.inc({ upstream });
  const fields = {
    target: target.id,
    attempt: number,
    outcome,
    tookMs: Math.round(second * 1000),
    status: detail.status,
    code: detail.code,
    retryInMs: pauseMs === undefined ? undefined : Math.round(pauseMs),
  };
  const { log } = exchange.request;
  if (outcome === 'misconfigured')
    log.error(fields, 'an upstream refuses this server: check its key, address and model name');
  else if (['ok', 'refused', 'aborted'].includes(outcome)) log.debug(fields, 'upstream asked');
  else log.warn(fields, 'an upstream did not serve');
}

/** Nothing of the service's own headers but what is meant for the client; limits and ids in the answer are ours. */
function factHeaders({ id }: UpstreamTarget, { requestId, warnings }: AnswerFacts): Answer['headers'] {
  return {
    [SERVED_BY]: id,
    ...(requestId === undefined ? {} : { 'x-steno-upstream-request-id': requestId }),
    ...warningHeaders(warnings),
  };
}

function answerWhole(target: UpstreamTarget, answer: WholeAnswer): Answer {
  const { status, contentType, body } = answer;
  return {
    status,
    headers: {
      ...factHeaders(target, answer),
      'content-type': contentType ?? 'application/octet-stream',
    },
    payload: body,
  };
}

/** The service's words in our one shape of errors. */
function answerRefusal(target: UpstreamTarget, refusal: Refusal): Answer {
  const error = refusal.error ?? {
    message: `The service ${target.id} refused the request with status ${refusal.status} and gave no reason that can be read.`,
    type: 'invalid_request_error',
    param: null,
    code: null,
  };
  return {
    status: refusal.status,
    headers: { ...factHeaders(target, refusal), 'content-type': 'application/json' },
    payload: Buffer.from(JSON.stringify({ error })),
  };
}

function answerEvents(work: ForwardWork, answer: EventAnswer, meter: ForwardMeter): Answer {
  const { exchange, target } = work;
  const { request, services } = exchange;
  let sent = false;
  let broken = false;
  let settling: Promise<void> | undefined;
  const settle = (ended: boolean): Promise<void> => {
    settling ??= end(ended);
    return settling;
  };

  /** What was transcribed and read counts: all of it, since how far a service has come is not told. */
  async function end(ended: boolean): Promise<void> {
    if (request.gone.aborted) services.metrics.cancelled.inc();
    if (!sent || answer.sawError) meter.cancel();
    else await meter.count(ended && !broken ? 'completed' : 'stopped', answer.toldSecond);
  }

  async function* relay(): AsyncGenerator<Buffer> {
    try {
      for await (const events of answer.body) {
        sent = true;
        yield events;
      }
    } catch (error) {
      broken = true;
      if (request.gone.aborted) return;
      request.log.warn({ target: target.id, err: error }, 'an upstream broke a stream off');
      if (!answer.sawError) yield Buffer.from(`data: ${JSON.stringify(errorAnswer(error).body)}\r\n\r\n`);
    }
    void settle(true);
  }

  const payload = Readable.from(relay(), { objectMode: false });
  payload.once('close', () => void settle(false));
  return {
    status: answer.status,
    headers: {
      ...factHeaders(target, answer),
      ...STREAM_HEADERS,
      'content-type': answer.contentType ?? STREAM_HEADERS['content-type'],
    },
    payload,
    settled: () => settle(false),
  };
}
