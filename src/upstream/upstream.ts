import { setTimeout as sleep } from 'node:timers/promises';
import { AbortedError, type UpstreamError } from '../errors.ts';
import { attempt, type Forwarded, verdict } from './attempt.ts';
import { type BreakerState, createCircuitBreaker } from './circuit-breaker.ts';
import { createDeadline, type Deadline } from './deadline.ts';
import type { FormBody } from './form-body.ts';
import { createUpstreamLimits, isPermit } from './limits.ts';
import type { ProxyOptions } from './proxy.ts';
import { decideRetry, LONGEST_PAUSE_MS } from './retry.ts';
import { createUpstreamClient } from './upstream-client.ts';
import { type AttemptFailure, type AttemptOutcome, limitError, openError } from './upstream-error.ts';
import type { UpstreamOptions } from './upstream-options.ts';

export type Endpoint = 'transcriptions' | 'translations';

export interface ForwardRequest {
  readonly endpoint: Endpoint;
  /** The model's name at the service. */
  readonly model: string;
  readonly body: FormBody;
  /** What the client asked for: JSON is checked before it is passed on. */
  readonly responseFormat: string;
  /** Further headers; no key and nothing that the body decides. */
  readonly headers: Readonly<Record<string, string>>;
  /** Length of the recording where it is known; an upstream with a daily amount of audio needs it. */
  readonly audioSecond: number | undefined;
  /** Another target is left: long pauses are not waited for. */
  readonly hasAlternative: boolean;
  /** The client left. */
  readonly signal: AbortSignal;
  /** Told of each attempt when it ends. */
  readonly onAttempt?: (attempt: Attempt) => void;
}

/** One HTTP request to the service. */
export interface Attempt {
  /** 1, 2 ... */
  readonly number: number;
  readonly outcome: AttemptOutcome;
  readonly second: number;
  readonly detail: AttemptFailure['detail'];
  /** Set when another attempt follows after so long. */
  readonly pauseMs?: number;
}

export interface Upstream {
  readonly name: string;
  /** Whether recordings have to be measured before they are sent. */
  readonly limitsAudio: boolean;
  /** Requests in work. */
  readonly running: number;
  readonly breaker: BreakerState;
  /**
   * Sends a request, again where that may help, until there is an answer for the client: a whole one, the beginning of a stream, or the
   * service's refusal of it. Throws UpstreamError when there is none, AbortedError when the client has left.
   */
  forward(request: ForwardRequest): Promise<Forwarded>;
  /** Ends all connections. */
  close(): Promise<void>;
}

export interface UpstreamParts {
  readonly apiKey: string | undefined;
  readonly proxies: ProxyOptions;
  /** Seconds of audio that the service has had on a UTC day. */
  readonly usedSeconds?: (day: string) => number;
}

/** Pause that is worth waiting for although another target is left. */
const SHORT_PAUSE_MS = 2000;

/** One service elsewhere, with its own connections, limits and circuit breaker. */
export function createUpstream(name: string, options: UpstreamOptions, parts: UpstreamParts): Upstream {
  const client = createUpstreamClient({ ...options, ...parts.proxies, apiKey: parts.apiKey });
  const breaker = createCircuitBreaker({
    minimumCalls: options.breakerMinimumCalls,
    openMs: options.breakerOpenSeconds * 1000,
  });
  const limits = createUpstreamLimits({
    ...options,
    ...(parts.usedSeconds === undefined ? {} : { usedSeconds: parts.usedSeconds }),
  });

  return {
    name,
    limitsAudio: options.audioSecondsPerDay > 0,
    get running() {
      return limits.running;
    },
    get breaker() {
      return breaker.state;
    },
    async forward(request) {
      const target = `${name}/${request.model}`;
      const audioSecond = request.audioSecond ?? 0;
      const room = limits.enter(audioSecond);
      if (!isPermit(room)) throw limitError(room, target);
      const deadline = createDeadline(request.signal, options.timeoutSeconds * 1000);
      const leave = (usedSecond?: number): void => {
        deadline.clear();
        room.release(usedSecond);
      };
      try {
        const answer = await askUntilAnswered(request, target, deadline);
        if (answer.kind === 'events') {
          deadline.restart(options.streamSeconds * 1000);
          void answer.closed.then(() => leave(audioSecond));
        } else leave(answer.kind === 'whole' ? audioSecond : 0);
        return answer;
      } catch (error) {
        leave();
        throw request.signal.aborted ? new AbortedError(error) : error;
      }
    },
    close: () => client.close(),
  };

  async function askUntilAnswered(
    request: ForwardRequest,
    target: string,
    deadline: Deadline,
  ): Promise<Forwarded> {
    for (let number = 1; ; number += 1) {
      const done = breaker.enter();
      if (done === undefined) throw openError(breaker.waitMs, target);
      const hit = limits.attempt();
      if (hit !== undefined) {
        done('neutral');
        throw limitError(hit, target);
      }
      const startMs = performance.now();
      const end = await attempt({
        client,
        apiKey: parts.apiKey,
        target,
        responseFormat: request.responseFormat,
        send: {
          path: `audio/${request.endpoint}`,
          body: request.body,
          headers: request.headers,
          signal: deadline.signal,
        },
        // It has counted as a success when the stream began.
        onBroken: () => breaker.enter()?.('failure'),
      }).catch((error: unknown) => {
        done('neutral');
        const facts = { number, second: (performance.now() - startMs) / 1000, detail: {} };
        request.onAttempt?.({ ...facts, outcome: 'aborted' });
        throw error;
      });
      const facts = { number, second: (performance.now() - startMs) / 1000 };
      if ('answer' in end) {
        done('success');
        const { kind, status } = end.answer;
        request.onAttempt?.({ ...facts, outcome: kind === 'refused' ? 'refused' : 'ok', detail: { status } });
        return end.answer;
      }
      const { failure, raw } = end;
      const decision = decideRetry(
        { status: raw?.status, headers: raw?.headers },
        {
          left: failure.outcome === 'misconfigured' ? 0 : options.retries + 1 - number,
          attempt: number,
          longestPauseMs: Math.min(
            request.hasAlternative ? SHORT_PAUSE_MS : LONGEST_PAUSE_MS,
            deadline.leftMs,
          ),
          nowMs: Date.now(),
          random: Math.random(),
        },
      );
      done(verdict(end, decision.retry));
      if (!decision.retry || breaker.state === 'open') {
        request.onAttempt?.({ ...facts, ...failure });
        throw withWait(failure.error, 'retryAfterMs' in decision ? decision.retryAfterMs : undefined);
      }
      request.onAttempt?.({ ...facts, ...failure, pauseMs: decision.pauseMs });
      await sleep(decision.pauseMs, undefined, { signal: deadline.signal }).catch(() => {
        throw failure.error;
      });
    }
  }
}

function withWait(error: UpstreamError, retryAfterMs: number | undefined): UpstreamError {
  if (retryAfterMs === undefined || !error.retryable) return error;
  // Longer than clients wait: they are told the longest that they do.
  return error.waiting(retryAfterMs / 1000);
}
