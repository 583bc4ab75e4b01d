import { AbortedError } from '../errors.ts';

/** One running piece of work and those that wait for it. */
interface Job<Result, Progress> {
  readonly controller: AbortController;
  readonly result: Promise<Result>;
  readonly listeners: Set<(progress: Progress) => void>;
  waiters: number;
  last: Progress | undefined;
}

export interface JoinOptions<Progress> {
  /** Ends the waiting; the work goes on while somebody else waits for it. */
  readonly signal?: AbortSignal | undefined;
  /** Called at once with the last progress, if there was any. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Work by name that several may ask for at once: it runs once, all get its result, and it is aborted when the last one leaves. */
export class SharedJobs<Result, Progress> {
  readonly #jobs = new Map<string, Job<Result, Progress>>();

  /** Starts the work, or joins it when it runs. Rejects with AbortedError when the caller's signal or `abort` ends it. */
  async run(
    name: string,
    work: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<Result>,
    { signal, onProgress }: JoinOptions<Progress> = {},
  ): Promise<Result> {
    if (signal?.aborted === true) throw new AbortedError(signal.reason);
    // One that was aborted a moment ago is not joined.
    for (
      let dying = this.#jobs.get(name);
      dying?.controller.signal.aborted === true;
      dying = this.#jobs.get(name)
    )
      await dying.result.catch(() => undefined);
    const job = this.#jobs.get(name) ?? this.#start(name, work);
    job.waiters += 1;
    if (onProgress !== undefined) {
      job.listeners.add(onProgress);
      if (job.last !== undefined) onProgress(job.last);
    }
    try {
      return await (signal === undefined ? job.result : untilAborted(job.result, signal));
    } finally {
      job.waiters -= 1;
      if (onProgress !== undefined) job.listeners.delete(onProgress);
      if (job.waiters === 0) {
        job.controller.abort();
        // Whoever stopped it finds it stopped, its lock free.
        await job.result.catch(() => undefined);
      }
    }
  }

  progressOf(name: string): Progress | undefined {
    return this.#jobs.get(name)?.last;
  }

  isRunning(name: string): boolean {
    return this.#jobs.has(name);
  }

  /** Ends the work, if it runs, and waits until it has. */
  async abort(name: string): Promise<void> {
    const job = this.#jobs.get(name);
    job?.controller.abort();
    await job?.result.catch(() => undefined);
  }

  async abortAll(): Promise<void> {
    await Promise.all([...this.#jobs.keys()].map((name) => this.abort(name)));
  }

  #start(
    name: string,
    work: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<Result>,
  ): Job<Result, Progress> {
    const controller = new AbortController();
    const report = (progress: Progress): void => {
      job.last = progress;
      for (const listener of job.listeners) listener(progress);
    };
    const result = Promise.resolve()
      .then(() => work(controller.signal, report))
      .catch((error: unknown) => {
        throw controller.signal.aborted ? new AbortedError(error) : error;
      })
      .finally(() => this.#jobs.delete(name));
    const job: Job<Result, Progress> = {
      controller,
      result,
      listeners: new Set(),
      waiters: 0,
      last: undefined,
    };
    this.#jobs.set(name, job);
    return job;
  }
}

function untilAborted<Result>(result: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new AbortedError(signal.reason));
    signal.addEventListener('abort', stop, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
