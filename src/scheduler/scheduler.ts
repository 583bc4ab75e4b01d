import type { Capabilities } from '../engines/engine.ts';
import { AbortedError, EngineCrashedError, QueueTimeoutError, ShuttingDownError } from '../errors.ts';
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
import { type Job, type TaskEnd, taskEnd } from './job.ts';
import { type HostState, placeSuspect, placeTask } from './placement.ts';

export interface SchedulerOptions {
  readonly setup: InferenceSetup;
  readonly processes: number;
  /** One more process that takes urgent work only, started when there is other work too. Default false. */
  readonly express?: boolean;
  /** After so long without work the processes give back the memory they have grown by; default never. */
  readonly idleMs?: number | undefined;
  readonly timeoutMs: number;
  /** The child's module; tests give a scripted one. */
  readonly entry?: string;
  /** Told when a process builds something that later starts find ready. */
  readonly onBuild?: (name: string) => void;
  /** Told of every process that ended unasked. */
  readonly onProcessLost?: (event: { readonly reason: string; readonly lostTasks: number }) => void;
  /** Told of every task that ended, whatever its end. */
  readonly onTaskEnd?: (end: TaskEnd) => void;
}

export interface SubmitOptions extends Turn {
  readonly signal?: AbortSignal | undefined;
  /** Goes before all that is not. Meant for the beginning of each request: a short one is urgent as a whole. */
  readonly urgent?: boolean;
  /** Rejects with QueueTimeoutError when the task has not been started after so many seconds. */
  readonly startWithinSeconds?: number | undefined;
  /** Told when the task has ended, whatever its end. */
  readonly onTaskEnd?: ((end: TaskEnd) => void) | undefined;
}

/** A task is started at most so often; the last crash fails it. */
const MOST_STARTS = 3;
/** So many ends of processes within the window and the scheduler calls itself unwell. */
const CRASHES = { most: 3, windowMs: 60_000 };

/** Voice detection and chunks wait apart: the cheap first look at a recording does not wait behind chunks. */
interface Queues {
  readonly detects: FairQueue<Job>;
  readonly chunks: FairQueue<Job>;
}

/**
 * Shares inference processes between requests, chunk by chunk.
 *
 * A job is `waiting` (in the fair queue) -> `running` (held by one process) -> done. When its process ends, it goes to `suspects`
 * and runs again with nothing beside it, so that a chunk that kills its process takes nobody with it; after MOST_STARTS it fails
 * with EngineCrashedError. Aborting takes it out wherever it is.
 *
 * Urgent jobs go first, and to a process that holds nothing else where there is one: decoder steps are shared by all chunks of a
 * process, so beside seven chunks of a long recording a short one would take several times its time. The express process never
 * holds anything else.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #hosts: InferenceHost[];
  readonly #jobs = new Map<number, Job>();
  readonly #urgent: Queues = { detects: new FairQueue(), chunks: new FairQueue() };
  readonly #others: Queues = { detects: new FairQueue(), chunks: new FairQueue() };
  readonly #suspects: Job[] = [];
  readonly #crashes: number[] = [];
  #readyWaiters: (() => void)[] = [];
  #nextId = 1;
  #closed = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const lanes = Array.from({ length: options.processes }, () => 'any' as const);
    this.#hosts = [...(options.express === true ? ['express' as const] : []), ...lanes].map(
      (lane) =>
        new InferenceHost({
          lane,
          startsResting: lane === 'express',
          stepsBack: options.express === true && lane === 'any',
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
    while (!this.#closed && this.#hosts.some((host) => !host.ready && !host.resting))
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
    const queues = [this.#urgent, this.#others].flatMap(({ detects, chunks }) => [detects, chunks]);
    return queues.reduce((sum, queue) => sum + queue.size, this.#suspects.length);
  }

  /** Jobs that processes hold. */
  get running(): number {
    return this.#hosts.reduce((sum, host) => sum + host.load, 0);
  }

  /** Process ids of the children that are up. */
  get processIds(): readonly number[] {
    return this.#hosts.flatMap((host) => host.pid ?? []);
  }

  /** Abilities of a loaded model; undefined before a process is up. */
  capabilities(model: string): Capabilities | undefined {
    return this.#hosts.find((host) => host.capabilities[model] !== undefined)?.capabilities[model];
  }

  /**
   * Runs one task when its turn comes. Rejects with AbortedError, EngineCrashedError, QueueTimeoutError, ShuttingDownError or the
   * engine's own error.
   */
  submit(task: DetectTask, options: SubmitOptions): Promise<DetectResult>;
  submit(task: TranscribeTask, options: SubmitOptions): Promise<TranscribeResult>;
  submit(task: InferenceTask, options: SubmitOptions): Promise<InferenceResult> {
    const { signal, urgent = false, startWithinSeconds, onTaskEnd, ...turn } = options;
    if (this.#closed) return Promise.reject(new ShuttingDownError());
    if (signal?.aborted) return Promise.reject(new AbortedError(signal.reason));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const abort = (): void => this.#abort(id, new AbortedError(signal?.reason));
      const settled = (): void => {
        clearTimeout(job.deadline);
        signal?.removeEventListener('abort', abort);
      };
      signal?.addEventListener('abort', abort, { once: true });
      const job: Job = {
        id,
        task,
        turn,
        urgent,
        resolve: (result) => {
          settled();
          ended('completed', result);
          resolve(result);
        },
        reject: (error) => {
          settled();
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
      const ended = (outcome: TaskEnd['outcome'], result?: InferenceResult): void => {
        const end = taskEnd(job, outcome, result);
        this.#options.onTaskEnd?.(end);
        onTaskEnd?.(end);
      };
      if (startWithinSeconds !== undefined)
        job.deadline = setTimeout(() => {
          if (job.starts === 0) this.#abort(id, new QueueTimeoutError(startWithinSeconds));
        }, startWithinSeconds * 1000);
      clearTimeout(this.#idle);
      if (!urgent) for (const host of this.#hosts) host.wake();
      this.#jobs.set(id, job);
      this.#queueOf(job).push(job, turn);
      this.#dispatch();
    });
  }

  /** Ends the processes; what waits or runs is rejected with ShuttingDownError. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#ready();
    for (const job of [...this.#jobs.values()]) this.#abort(job.id, new ShuttingDownError());
    await Promise.all(this.#hosts.map((host) => host.close()));
  }

  #queueOf(job: Job): FairQueue<Job> {
    const queues = job.urgent ? this.#urgent : this.#others;
    return job.task.kind === 'detect' ? queues.detects : queues.chunks;
  }

  #ready(): void {
    for (const wake of this.#readyWaiters) wake();
    this.#readyWaiters = [];
    this.#dispatch();
    this.#watchIdle();
  }

  /** Fills the processes: urgent work first, then what else there is. */
  #dispatch(): void {
    if (this.#closed) return;
    while (this.#dispatchSuspect() || this.#dispatchFrom(this.#urgent) || this.#dispatchFrom(this.#others));
  }

  #dispatchSuspect(): boolean {
    if (this.#suspects.length === 0) return false;
    const place = placeSuspect(this.#hostStates());
    return place !== undefined && this.#start(this.#suspects.shift(), place);
  }

  #dispatchFrom({ detects, chunks }: Queues): boolean {
    return this.#dispatchNext(detects, 'detect') || this.#dispatchNext(chunks, 'transcribe');
  }

  #dispatchNext(queue: FairQueue<Job>, kind: InferenceTask['kind']): boolean {
    if (queue.size === 0) return false;
    const urgent = queue === this.#urgent.detects || queue === this.#urgent.chunks;
    const place = placeTask({ kind, urgent }, this.#hostStates(), {
      processes: this.#options.processes,
      suspectsWait: this.#suspects.length > 0,
    });
    return place !== undefined && this.#start(queue.shift(), place);
  }

  #start(job: Job | undefined, place: number): boolean {
    const host = this.#candidates()[place];
    if (job === undefined || host === undefined) return false;
    clearTimeout(job.deadline);
    job.host = host;
    job.starts += 1;
    job.startedMs = performance.now();
    job.batch = host.load + 1;
    host.run(job.id, job.task);
    return true;
  }

  /** Processes that a task may be placed in: an express one that is not up yet is as good as none. */
  #candidates(): InferenceHost[] {
    return this.#hosts.filter((host) => host.lane === 'any' || host.ready);
  }

  #hostStates(): HostState[] {
    const jobs = [...this.#jobs.values()];
    return this.#candidates().map((host) => {
      const held = jobs.filter((job) => job.host === host);
      const detects = held.filter(({ task }) => task.kind === 'detect').length;
      const batchSizes = Object.values(host.capabilities).map(({ batchSize }) => batchSize);
      return {
        lane: host.lane,
        ready: host.ready,
        detects,
        chunks: held.length - detects,
        capacity: Math.max(1, ...batchSizes),
        longWork: held.some(({ urgent }) => !urgent),
        suspect: held.some(({ starts }) => starts > 1),
      };
    });
  }

  #finish(id: number, result: InferenceResult | Error): void {
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (result instanceof Error) job?.reject(result);
    else job?.resolve(result);
    this.#dispatch();
    this.#watchIdle();
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
    this.#watchIdle();
  }

  /** With nothing left to do the clock starts after which memory is given back. */
  #watchIdle(): void {
    clearTimeout(this.#idle);
    if (this.#options.idleMs === undefined || this.#closed || this.#jobs.size > 0) return;
    this.#idle = setTimeout(() => void this.#giveMemoryBack(), this.#options.idleMs);
    this.#idle.unref();
  }

  /** One process after another, so that a successor's loading adds its memory only once. */
  async #giveMemoryBack(): Promise<void> {
    for (const host of this.#hosts) {
      if (this.#jobs.size > 0) return;
      await (host.lane === 'express' ? host.rest() : host.renew());
    }
  }
}
