import { FairQueue } from './fair-queue.ts';
import type { InferenceTask } from './inference-protocol.ts';
import type { Job } from './job.ts';

/** Jobs of one kind and urgency; their turns are shared out among themselves. */
export interface Line {
  readonly kind: InferenceTask['kind'];
  readonly urgent: boolean;
}

/** A job with the index of the process that it goes to. */
export interface Placed {
  readonly job: Job;
  readonly place: number;
}

/**
 * Jobs that wait: what is urgent first, and in either half voice detection before chunks, because a cheap first look at a recording
 * must not wait behind chunks.
 */
export class JobQueues {
  readonly #lines = [true, false].flatMap((urgent) =>
    (['detect', 'transcribe'] as const).map((kind) => ({ urgent, kind, queue: new FairQueue<Job>() })),
  );

  get size(): number {
    return this.#lines.reduce((sum, { queue }) => sum + queue.size, 0);
  }

  push(job: Job): void {
    this.#queueOf(job).push(job, job.turn);
  }

  /** Forgets a job; false when it does not wait here. */
  remove(job: Job): boolean {
    return this.#queueOf(job).remove(job, job.turn);
  }

  /** Takes the next job of the first line that `placeOf` finds a process for. */
  take(placeOf: (line: Line) => number | undefined): Placed | undefined {
    for (const line of this.#lines) {
      const place = line.queue.size === 0 ? undefined : placeOf(line);
      const job = place === undefined ? undefined : line.queue.shift();
      if (place !== undefined && job !== undefined) return { job, place };
    }
    return undefined;
  }

  #queueOf({ urgent, task }: Job): FairQueue<Job> {
    const line = this.#lines.find((each) => each.urgent === urgent && each.kind === task.kind);
    if (line === undefined) throw new Error(`no line for tasks of kind ${task.kind}`);
    return line.queue;
  }
}
