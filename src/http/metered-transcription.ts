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
}

type Watchers = Pick<TranscribeOptions, 'onDecoded' | 'onTiming'>;

/**
 * A transcription that takes its seconds from the caller's quota while they are decoded, before an engine sees them, and is counted
 * when it is over: a whole one with its length, before its end is told; one whose client left, or that a quota ended after text was
 * sent, with what was transcribed; a failed one not at all.
 */
export async function* meterTranscription(
  { services, request, plan }: MeteredWork,
  transcribe: (watchers: Watchers) => AsyncIterable<TranscriptEvent>,
): AsyncGenerator<TranscriptEvent> {
  const { accounts, metrics, models } = services;
  const model = models.resolve(plan.options.model).id;
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
        count('completed', event.transcript.durationSecond);
        completed = true;
      }
      yield event;
    }
  } catch (error) {
    outOfQuota = error instanceof QuotaExceededError;
    throw error;
  } finally {
    if (!completed) endEarly();
    reservation.settle();
  }

  function endEarly(): void {
    const left = request.gone.aborted;
    if (left) metrics.cancelled.inc();
    if ((left || (outOfQuota && plan.stream)) && doneSecond > 0) count('stopped', doneSecond);
    else metrics.audioSeconds.inc({ model, outcome: 'failed' }, decodedSecond);
  }

  function hold(second: number): void {
    decodedSecond = Math.max(decodedSecond, second);
    reservation.grow(second);
  }

  function count(status: UsageStatus, second: number): void {
    reservation.settle({
      requestId: request.id,
      model,
      format: plan.format,
      audioMs: second * 1000,
      processingMs: performance.now() - startMs,
      status,
    });
    metrics.audioSeconds.inc({ model, outcome: status }, second);
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
