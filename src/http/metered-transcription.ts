import type { FastifyRequest } from 'fastify';
import { QuotaExceededError } from '../errors.ts';
import type { Services } from '../services.ts';
import type { UsageStatus } from '../store/store.ts';
import type { TranscribeOptions, TranscriptEvent } from '../transcribe/transcriber.ts';
import type { AudioPlan } from './audio-plan.ts';
import { accountOf } from './limits.ts';

export interface MeteredWork {
  readonly services: Services;
  readonly request: FastifyRequest;
  readonly plan: AudioPlan;
  /** Under this id the work is counted. */
  readonly model: string;
}

type Watchers = Pick<TranscribeOptions, 'onDecoded' | 'onTiming'>;

/**
 * A transcription that takes its seconds from the caller's quota while they are decoded, before an engine sees them, and is counted
 * when it is over: a whole one with its length, before its end is told; one whose client left, or that a quota ended after text was
 * sent, with what was transcribed; a failed one not at all.
 */
export async function* meterTranscription(
  { services, request, plan, model }: MeteredWork,
  transcribe: (watchers: Watchers) => AsyncIterable<TranscriptEvent>,
): AsyncGenerator<TranscriptEvent> {
  const { accounts, metrics } = services;
  const reservation = accounts.usage.reserve(accountOf(request, services));
  const startMs = performance.now();
  let decodedSecond = 0;
  let doneSecond = 0;
  let completed = false;
  let outOfQuota = false;
  try {
    const events = transcribe({
      onDecoded: hold,
      onTiming: ({ stage, second }) => request.timings.add(stage, second),
    });
    for await (const event of events) {
      hold(decodedBy(event));
      doneSecond = Math.max(doneSecond, doneBy(event));
      if (event.type === 'transcript-final') {
        completed = true;
        await count('completed', event.transcript.durationSecond);
      }
      yield event;
    }
  } catch (error) {
    outOfQuota = error instanceof QuotaExceededError;
    throw error;
  } finally {
    if (!completed) await endEarly();
    void reservation.settle();
  }

  async function endEarly(): Promise<void> {
    const left = request.gone.aborted;
    if (left) metrics.cancelled.inc();
    if ((left || (outOfQuota && plan.stream)) && doneSecond > 0) await count('stopped', doneSecond);
    else metrics.audioSeconds.inc({ model, outcome: 'failed' }, decodedSecond);
  }

  function hold(second: number): void {
    decodedSecond = Math.max(decodedSecond, second);
    reservation.grow(second);
  }

  function count(status: UsageStatus, second: number): Promise<void> {
    metrics.audioSeconds.inc({ model, outcome: status }, second);
    return reservation.settle({
      requestId: request.id,
      model,
      format: plan.format,
      audioMs: second * 1000,
      processingMs: performance.now() - startMs,
      status,
    });
  }
}

/** Seconds that an event shows to be decoded. */
function decodedBy(event: TranscriptEvent): number {
  if (event.type === 'transcription-progress') return event.decodedSecond;
  return event.type === 'transcript-final' ? event.transcript.durationSecond : 0;
}

/** Seconds that an event shows to be transcribed. */
function doneBy(event: TranscriptEvent): number {
  if (event.type === 'transcription-progress') return event.finishedSecond;
  return event.type === 'segment-final' ? event.segment.endSecond : 0;
}
