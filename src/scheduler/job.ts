import { AbortedError } from '../errors.ts';
import type { Turn } from './fair-queue.ts';
import type { InferenceHost } from './inference-host.ts';
import type { InferenceResult, InferenceTask } from './inference-protocol.ts';
import type { SubmitOptions } from './scheduler-options.ts';

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

export interface CreateJobOptions {
  readonly id: number;
  readonly task: InferenceTask;
  readonly options: SubmitOptions;
  readonly resolve: (result: InferenceResult) => void;
  readonly reject: (error: Error) => void;
  /** Called when the job has ended, before its promise settles. */
  readonly settled: () => void;
  readonly onTaskEnd: ((end: TaskEnd) => void) | undefined;
}

/** A job that waits; its end is told to whoever asked for it and to `onTaskEnd`. */
export function createJob({ id, task, options, resolve, reject, settled, onTaskEnd }: CreateJobOptions): Job {
  const ended = (outcome: TaskEnd['outcome'], result?: InferenceResult): void => {
    clearTimeout(job.deadline);
    settled();
    const end = taskEnd(job, outcome, result);
    onTaskEnd?.(end);
    options.onTaskEnd?.(end);
  };
  const job: Job = {
    id,
    task,
    turn: { key: options.key, request: options.request },
    urgent: options.urgent ?? false,
    resolve: (result) => {
      ended('completed', result);
      resolve(result);
    },
    reject: (error) => {
      ended(error instanceof AbortedError ? 'cancelled' : 'failed');
      reject(error);
    },
    host: undefined,
    starts: 0,
    deadline: undefined,
    queuedMs: performance.now(),
    startedMs: undefined,
    batch: 0,
  };
  return job;
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

function taskEnd(job: Job, outcome: TaskEnd['outcome'], result: InferenceResult | undefined): TaskEnd {
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
