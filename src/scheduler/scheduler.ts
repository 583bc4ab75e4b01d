import type { Capabilities } from '../engines/engine.ts';
import { AbortedError, EngineCrashedError, ShuttingDownError } from '../errors.ts';
import { FairQueue, type Turn } from './fair-queue.ts';
import { InferenceHost } from './inference-host.ts';
import type {
  DetectResult,
  DetectTask,
  InferenceResult,
  InferenceSetup,
  InferenceTask,
  TranscribeResult,
  TranscribeTask,
} from './inference-protocol.ts';

export interface SchedulerOptions {
  readonly setup: InferenceSetup;
  readonly processes: number;
  readonly timeoutMs: number;
  /** The child's module; tests give a scripted one. */
  readonly entry?: string;
  /** Told when a process builds something that later starts find ready. */
  readonly onBuild?: (name: string) => void;
  /** Told of every process that ended unasked. */
  readonly onProcessLost?: (event: { readonly reason: string; readonly lostTasks: number }) => void;
}

export interface SubmitOptions extends Turn {
  readonly signal?: AbortSignal | undefined;
}

/** A task is started at most so often; the last crash fails it. */
const MOST_STARTS = 3;
/** So many ends of processes within the window and the scheduler calls itself unwell. */
const CRASHES = { most: 3, windowMs: 60_000 };

interface Job {
  readonly id: number;
  readonly task: InferenceTask;
  readonly turn: Turn;
  readonly resolve: (result: InferenceResult) => void;
  readonly reject: (error: Error) => void;
  host: InferenceHost | undefined;
  starts: number;
}

/**
 * Shares inference processes between requests, chunk by chunk.
 *
 * A job is `waiting` (in the fair queue) -> `running` (held by one process) -> done. When its process ends, it goes to `suspects`
 * and runs again with nothing beside it, so that a chunk that kills its process takes nobody with it; after MOST_STARTS it fails
 * with EngineCrashedError. Aborting takes it out wherever it is. Voice detection and chunks have queues of their own: the cheap
 * first look at a new request does not wait behind chunks.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #hosts: InferenceHost[];
  readonly #jobs = new Map<number, Job>();
  readonly #detects = new FairQueue<Job>();
  readonly #chunks = new FairQueue<Job>();
  readonly #suspects: Job[] = [];
  readonly #crashes: number[] = [];
  #readyWaiters: (() => void)[] = [];
  #nextId = 1;
  #closed = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#hosts = Array.from(
      { length: options.processes },
      () =>
        new InferenceHost({
          setup: options.setup,
          timeoutMs: options.timeoutMs,
          entry: options.entry,
          onReady: () => this.#ready(),
          onBuild: (name) => options.onBuild?.(name),
          onResult: (_host, id, result) => this.#finish(id, result),
          onLost: (_host, lost, reason) => this.#lose(lost, reason),
        }),
    );
  }

  /** Resolves when every process is up with its models loaded. */
  async started(): Promise<void> {
    while (!this.#closed && this.#hosts.some((host) => !host.ready))
      await new Promise<void>((resolve) => this.#readyWaiters.push(resolve));
  }

  /** True while at least one process is up and they do not keep crashing. */
  get healthy(): boolean {
    const since = Date.now() - CRASHES.windowMs;
    const recent = this.#crashes.filter((time) => time >= since).length;
    return this.#hosts.some((host) => host.ready) && recent < CRASHES.most;
  }

  /** Jobs waiting for a process. */
  get waiting(): number {
    return this.#detects.size + this.#chunks.size + this.#suspects.length;
  }

  /** Process ids of the children that are up. */
  get processIds(): readonly number[] {
    return this.#hosts.flatMap((host) => host.pid ?? []);
  }

  /** Abilities of a loaded model; undefined before a process is up. */
  capabilities(model: string): Capabilities | undefined {
    return this.#hosts.find((host) => host.capabilities[model] !== undefined)?.capabilities[model];
  }

  /** Runs one task when its turn comes. Rejects with AbortedError, EngineCrashedError, ShuttingDownError or the engine's own. */
  submit(task: DetectTask, options: SubmitOptions): Promise<DetectResult>;
  submit(task: TranscribeTask, options: SubmitOptions): Promise<TranscribeResult>;
  submit(task: InferenceTask, { signal, ...turn }: SubmitOptions): Promise<InferenceResult> {
    if (this.#closed) return Promise.reject(new ShuttingDownError());
    if (signal?.aborted) return Promise.reject(new AbortedError(signal.reason));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const abort = (): void => this.#abort(id, new AbortedError(signal?.reason));
      const settled = (): void => signal?.removeEventListener('abort', abort);
      signal?.addEventListener('abort', abort, { once: true });
      const job: Job = {
        id,
        task,
        turn,
        resolve: (result) => {
          settled();
          resolve(result);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
        host: undefined,
        starts: 0,
      };
      this.#jobs.set(id, job);
      this.#queueOf(job).push(job, turn);
      this.#dispatch();
    });
  }

  /** Ends the processes; what waits or runs is rejected with ShuttingDownError. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#ready();
    for (const job of [...this.#jobs.values()]) this.#abort(job.id, new ShuttingDownError());
    await Promise.all(this.#hosts.map((host) => host.close()));
  }

  #queueOf(job: Job): FairQueue<Job> {
    return job.task.kind === 'detect' ? this.#detects : this.#chunks;
  }

  #ready(): void {
    for (const wake of this.#readyWaiters) wake();
    this.#readyWaiters = [];
    this.#dispatch();
  }

  /** Fills every process, the least loaded first. */
  #dispatch(): void {
    if (this.#closed) return;
    while (true) {
      const [host] = this.#hosts.filter((candidate) => candidate.ready).sort((a, b) => a.load - b.load);
      if (host === undefined) return;
      const job = this.#nextFor(host);
      if (job === undefined) return;
      job.host = host;
      job.starts += 1;
      host.run(job.id, job.task);
    }
  }

  #nextFor(host: InferenceHost): Job | undefined {
    if (host.load === 0 && this.#suspects.length > 0) return this.#suspects.shift();
    if (this.#holdsSuspect(host)) return undefined;
    if (host.load >= this.#capacity(host)) return undefined;
    return this.#detects.shift() ?? this.#chunks.shift();
  }

  #holdsSuspect(host: InferenceHost): boolean {
    for (const job of this.#jobs.values()) if (job.host === host && job.starts > 1) return true;
    return false;
  }

  #capacity(host: InferenceHost): number {
    return Math.max(1, ...Object.values(host.capabilities).map((capabilities) => capabilities.batchSize));
  }

  #finish(id: number, result: InferenceResult | Error): void {
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (result instanceof Error) job?.reject(result);
    else job?.resolve(result);
    this.#dispatch();
  }

  #lose(lost: readonly number[], reason: string): void {
    this.#crashes.push(Date.now());
    if (this.#crashes.length > CRASHES.most) this.#crashes.shift();
    this.#options.onProcessLost?.({ reason, lostTasks: lost.length });
    for (const id of lost) {
      const job = this.#jobs.get(id);
      if (job === undefined) continue;
      job.host = undefined;
      if (job.starts >= MOST_STARTS) this.#finish(id, new EngineCrashedError(job.starts));
      else this.#suspects.push(job);
    }
    this.#dispatch();
  }

  #abort(id: number, error: Error): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    if (job.host !== undefined) job.host.cancel(id);
    else if (!this.#queueOf(job).remove(job, job.turn)) this.#suspects.splice(this.#suspects.indexOf(job), 1);
    job.reject(error);
    this.#dispatch();
  }
}
