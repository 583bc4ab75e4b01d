import type { AudioSource } from '../audio/audio.ts';
import { StenographerError, UpstreamError } from '../errors.ts';
import type { Arrival } from '../scheduler/admission.ts';
import type { Route, Target } from '../upstream/routes.ts';
import { type Answer, type AudioExchange, answerLocally } from './audio-answer.ts';
import type { AudioPlan, PlanContext } from './audio-plan.ts';
import { errorAnswer } from './error-response.ts';
import { forwardAudio } from './forward-audio.ts';
import type { Upload } from './upload.ts';

export interface RoutedWork {
  readonly exchange: AudioExchange;
  readonly route: Route;
  readonly upload: Upload;
  readonly file: AudioSource;
  readonly arrival: Arrival;
  readonly context: PlanContext;
}

/** Why a target did not serve. */
interface Miss {
  readonly target: Target;
  readonly error: unknown;
  /** It was not asked, because it cannot do what the request wants. */
  readonly unable: boolean;
}

/**
 * Tries the targets of a route in order until one serves. A local model is planned as always; one that cannot honour the request is passed
 * over. What is the client's own fault ends the search: no other target would find otherwise.
 */
export async function answerRouted(work: RoutedWork): Promise<Answer> {
  const { exchange, route } = work;
  const { request, services } = exchange;
  const misses: Miss[] = [];
  for (const [index, target] of route.targets.entries()) {
    const hasAlternative = index < route.targets.length - 1;
    try {
      const answer = await answerBy(target, work, hasAlternative);
      return { ...answer, headers: { ...answer.headers, ...missHeader(misses) } };
    } catch (error) {
      const unable = error instanceof UnableError;
      const cause = unable ? error.reason : error;
      if (request.gone.aborted || !(unable || mayBeServedElsewhere(error))) throw error;
      misses.push({ target, error: cause, unable });
      const { code } = errorAnswer(cause).body.error;
      if (!(cause instanceof StenographerError))
        request.log.error({ err: cause, target: target.id }, 'request failed');
      if (!hasAlternative) break;
      services.metrics.fallbacks.inc({ target: target.id, code: code ?? 'none' });
      request.log.warn(
        { target: target.id, code, unable: unable || undefined },
        'the next target of the route is tried',
      );
    }
  }
  throw missError(route, misses);
}

/** A local model that cannot do what is asked. */
class UnableError extends Error {
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('the model cannot honour the request');
    this.reason = reason;
  }
}

function answerBy(target: Target, work: RoutedWork, hasAlternative: boolean): Promise<Answer> {
  const { exchange, upload, file, arrival } = work;
  if (target.kind === 'upstream') return forwardAudio({ exchange, target, upload, file, hasAlternative });
  const { services, request } = exchange;
  return answerLocally({ services, request, file, arrival, plan: planFor(target.id, work) }).catch(
    (error: unknown) => {
      // Others may have the place while this request waits for somebody else.
      arrival.exit();
      throw error;
    },
  );
}

function planFor(model: string, { exchange, upload, context }: RoutedWork): AudioPlan {
  const { plan } = exchange;
  const fields = upload.fields.filter(({ name }) => name !== 'model');
  try {
    return plan([...fields, { name: 'model', value: model }], context);
  } catch (error) {
    throw error instanceof StenographerError ? new UnableError(error) : error;
  }
}

/** Ours, and about every target alike. */
const FINAL_CODES: ReadonlySet<string> = new Set(['aborted', 'shutting_down', 'store_unavailable']);

function mayBeServedElsewhere(error: unknown): boolean {
  const { status, body } = errorAnswer(error);
  const code = body.error.code ?? '';
  if (FINAL_CODES.has(code)) return false;
  // That a service takes no recording of this size says nothing about the next one.
  return status >= 500 || code === 'ffmpeg_required' || error instanceof UpstreamError;
}

/** `x-steno-fallbacks: moonshine-tiny=queue_full`, in the order tried. */
function missHeader(misses: readonly Miss[]): Record<string, string> {
  if (misses.length === 0) return {};
  const text = misses
    .map(({ target, error }) => `${target.id}=${errorAnswer(error).body.error.code}`)
    .join(', ');
  return { 'x-steno-fallbacks': text.replace(/[^\x20-\x7e]/g, '?') };
}

/** What the client hears: of those that were asked the last one that may serve later, else the last; else why none could be asked. */
function missError(route: Route, misses: readonly Miss[]): unknown {
  const asked = misses.filter(({ unable }) => !unable);
  const isRetryable = ({ error }: Miss) => error instanceof StenographerError && error.retryable;
  const told = asked.findLast(isRetryable) ?? asked.at(-1) ?? misses[0];
  if (told === undefined || misses.length < 2 || !(told.error instanceof StenographerError))
    return told?.error;
  const { code, retryAfterSecond, param } = told.error;
  const reasons = misses.map(({ target, error }) => `${target.id}: ${messageOf(error)}`);
  return new StenographerError(
    code,
    `Nothing that serves the model '${route.name}' could answer. ${reasons.join(' ')}`,
    {
      cause: told.error,
      ...(param === undefined ? {} : { param }),
      ...(retryAfterSecond === undefined ? {} : { retryAfterSecond }),
    },
  );
}

function messageOf(error: unknown): string {
  return errorAnswer(error).body.error.message;
}
