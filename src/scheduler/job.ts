import type { Turn } from './fair-queue.ts';
import type { InferenceHost } from './inference-host.ts';
import type { InferenceResult, InferenceTask } from './inference-protocol.ts';

/** A task on its way through the scheduler. */
export interface Job {
  readonly id: number;
  readonly task: InferenceTask;
  readonly turn: Turn;
  readonly urgent: boolean;
  readonly resolve: (result: InferenceResult) => void;
  readonly reject: (error: Error) => void;
  host: InferenceHost | undefined;
  starts: number;
  deadline: NodeJS.Timeout | undefined;
  readonly queuedMs: number;
  startedMs: number | undefined;
  batch: number;
}

/** How a task went. */
export interface TaskEnd {
  readonly kind: InferenceTask['kind'];
  readonly outcome: 'completed' | 'failed' | 'cancelled';
  /** Until its last start; all of its time when it never started. */
  readonly waitedSecond: number;
  /** In its process, waiting there included. */
  readonly ranSecond: number;
  /** Tasks its process held when it was given this one, itself included; 0 when it never started. */
  readonly batch: number;
  /** The model's two halves, where the engine tells them. */
  readonly encodeSecond?: number | undefined;
  readonly textSecond?: number | undefined;
}

export function taskEnd(job: Job, outcome: TaskEnd['outcome'], result: InferenceResult | undefined): TaskEnd {
  const nowMs = performance.now();
  const startedMs = job.startedMs ?? nowMs;
  return {
    kind: job.task.kind,
    outcome,
    waitedSecond: (startedMs - job.queuedMs) / 1000,
    ranSecond: (nowMs - startedMs) / 1000,
    batch: job.batch,
    ...(result?.kind === 'transcribe' ? result.timing : {}),
  };
}
