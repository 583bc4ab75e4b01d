import {
  AbortedError,
  EngineCrashedError,
  ModelLoadError,
  ModelLoadTimeoutError,
  OutOfMemoryError,
  QueueTimeoutError,
  ShuttingDownError,
} from '../errors.ts';
import { createHosts } from './create-hosts.ts';
import { hostStates } from './host-states.ts';
import { IdleWatch } from './idle-watch.ts';
import type { InferenceHost } from './inference-host.ts';
import type { HostLoss } from './inference-host-options.ts';
import type {
  DetectResult,
  DetectTask,
  InferenceResult,
  InferenceTask,
  TranscribeResult,
  TranscribeTask,
} from './inference-protocol.ts';
import { createJob, type Job } from './job.ts';
import { JobQueues } from './job-queues.ts';
import { type LoadTrouble, Losses } from './losses.ts';
import { placeSuspect, placeTask } from './placement.ts';
import type { SchedulerOptions, SubmitOptions } from './scheduler-options.ts';

/** A task is started at most so often; the last crash fails it. */
const MOST_STARTS = 3;
const MOST_STARTS_WITHOUT_MEMORY = 2;

/**
 * Shares inference processes between requests, chunk by chunk.
 *
 * A job is `waiting` (in the fair queue) -> `running` (held by one process) -> done. When its process ends, it goes to `suspects`
 * and runs again with nothing beside it, so that a chunk that kills its process takes nobody with it; after MOST_STARTS it fails
 * with EngineCrashedError, after two for want of memory with OutOfMemoryError. Aborting takes it out wherever it is.
 *
 * Urgent jobs go first, and to a process that holds nothing else where there is one: decoder steps are shared by all chunks of a
 * process, so beside seven chunks of a long recording a short one would take several times its time. The express process never
 * holds anything else.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #hosts: readonly InferenceHost[];
  readonly #jobs = new Map<number, Job>();
  readonly #queues = new JobQueues();
  readonly #suspects: Job[] = [];
  readonly #losses = new Losses();
  readonly #idle: IdleWatch;
  #readyWaiters: (() => void)[] = [];
  #nextId = 1;
  /** Why no more work is taken. */
  #ended: Error | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#hosts = createHosts(options, {
      onReady: () => this.#ready(),
      onBuild: (name) => options.onBuild?.(name),
      onNotice: (model, message) => options.onNotice?.(model, message),
      onResult: (_host, id, result) =>
        result instanceof OutOfMemoryError ? this.#outOfMemory(id, result) : this.#finish(id, result),
      onLost: (_host, loss) => this.#lose(loss),
    });
    this.#idle = new IdleWatch({
      hosts: this.#hosts,
      isIdle: () => this.#ended === undefined && this.#jobs.size === 0,
      renewAfterMs: options.idleMs,
      restAfterMs: options.restMs,
    });
  }

  /**
   * Resolves when every process is up with its models loaded, or with `first` when one is. Rejects when the models cannot be
   * loaded and that ends the scheduler.
   */
  async started(until: 'first' | 'all' = 'all'): Promise<void> {
    const isUp = (host: InferenceHost): boolean => host.ready || (until === 'all' && host.resting);
    while (!(until === 'all' ? this.#hosts.every(isUp) : this.#hosts.some(isUp))) {
      if (this.#ended instanceof ShuttingDownError && until === 'all') return;
      if (this.#ended !== undefined) throw this.#ended;
      await new Promise<void>((resolve) => this.#readyWaiters.push(resolve));
    }
  }

  /** True while at least one process is up or at rest, and they do not keep crashing. */
  get healthy(): boolean {
    return this.#hosts.some((host) => host.lane === 'any' && host.available) && !this.#losses.tooMany;
  }

  /** At least one process has its models loaded. */
  get up(): boolean {
    return this.#hosts.some((host) => host.ready);
  }

  /** All processes have ended until there is work again. */
  get resting(): boolean {
    return this.#hosts.every((host) => host.resting);
  }

  /** Jobs waiting for a process. */
  get waiting(): number {
    return this.#queues.size + this.#suspects.length;
  }

  /** Jobs that processes hold. */
  get running(): number {
    return this.#hosts.reduce((sum, host) => sum + host.load, 0);
  }

  /** Process ids of the children that are up. */
  get processIds(): readonly number[] {
    return this.#hosts.flatMap((host) => host.pid ?? []);
  }

  /**
   * Runs one task when its turn comes. Rejects with AbortedError, EngineCrashedError, QueueTimeoutError, ShuttingDownError,
   * ModelLoadError or the engine's own error.
   */
  submit(task: DetectTask, options: SubmitOptions): Promise<DetectResult>;
  submit(task: TranscribeTask, options: SubmitOptions): Promise<TranscribeResult>;
  submit(task: InferenceTask, options: SubmitOptions): Promise<InferenceResult> {
    const { signal, startWithinSeconds } = options;
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(new AbortedError(signal.reason));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const abort = (): void => this.#abort(id, new AbortedError(signal?.reason));
      signal?.addEventListener('abort', abort, { once: true });
      const job = createJob({
        id,
        task,
        options,
        resolve,
        reject,
        settled: () => signal?.removeEventListener('abort', abort),
        onTaskEnd: this.#options.onTaskEnd,
      });
      if (startWithinSeconds !== undefined)
        job.deadline = setTimeout(() => {
          if (job.starts === 0) this.#abort(id, new QueueTimeoutError(startWithinSeconds));
        }, startWithinSeconds * 1000);
      this.#idle.stop();
      this.#wakeFor(job);
      this.#jobs.set(id, job);
      this.#queues.push(job);
      this.#dispatch();
    });
  }

  /** Starts processes that are at rest; the express one only for `all`. */
  wake(which: 'one' | 'any' | 'all'): void {
    if (this.#ended !== undefined) return;
    const hosts = this.#hosts.filter(({ lane }) => which === 'all' || lane === 'any');
    if (which !== 'one') for (const host of hosts) host.wake();
    else if (hosts.every((host) => host.resting)) hosts[0]?.wake();
  }

  /** Rejects requests whose turn has not come with ShuttingDownError; the others go on. */
  refuseWaiting(): void {
    // Only the first tasks of a request have a deadline.
    for (const { id, deadline, starts } of [...this.#jobs.values()])
      if (deadline !== undefined && starts === 0) this.#abort(id, new ShuttingDownError());
  }

  /** Ends the processes until there is work again; those that have some go on. Resolves when they are gone. */
  async rest(): Promise<void> {
    await this.#idle.rest();
  }

  /** Ends the processes; what waits or runs is rejected with ShuttingDownError. Resolves when they are gone. */
  async close(): Promise<void> {
    await this.#end(new ShuttingDownError());
  }

  /** A short recording alone has one task at a time: more processes would only take its time for their start. */
  #wakeFor({ urgent }: Job): void {
    if (!urgent) this.wake('all');
    else this.wake(this.#jobs.size > 0 ? 'any' : 'one');
  }

  async #end(reason: Error): Promise<void> {
    this.#ended ??= reason;
    this.#idle.stop();
    this.#ready();
    for (const job of [...this.#jobs.values()]) this.#abort(job.id, reason);
    await Promise.all(this.#hosts.map((host) => host.close()));
  }

  #ready(): void {
    if (this.up) this.#losses.noteLoaded();
    for (const wake of this.#readyWaiters) wake();
    this.#readyWaiters = [];
    this.#dispatch();
    this.#idle.look();
  }

  /** Fills the processes: what may have killed one, then urgent work, then what else there is. */
  #dispatch(): void {
    if (this.#ended !== undefined) return;
    while (this.#dispatchSuspect() || this.#dispatchNext());
  }

  #dispatchSuspect(): boolean {
    if (this.#suspects.length === 0) return false;
    const place = placeSuspect(hostStates(this.#candidates(), this.#jobs.values()));
    return place !== undefined && this.#start(this.#suspects.shift(), place);
  }

  #dispatchNext(): boolean {
    if (this.#queues.size === 0) return false;
    const states = hostStates(this.#candidates(), this.#jobs.values());
    const { processes } = this.#options;
    const suspectsWait = this.#suspects.length > 0;
    const next = this.#queues.take((line) => placeTask(line, states, { processes, suspectsWait }));
    return next !== undefined && this.#start(next.job, next.place);
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

  #finish(id: number, result: InferenceResult | Error): void {
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (result instanceof Error) job?.reject(result);
    else job?.resolve(result);
    this.#dispatch();
    this.#idle.look();
  }

  #lose(loss: HostLoss): void {
    const trouble = this.#losses.note(loss);
    this.#options.onProcessLost?.({ reason: loss.failure ?? loss.reason, lostTasks: loss.lost.length });
    for (const id of loss.lost) {
      const job = this.#jobs.get(id);
      if (job === undefined) continue;
      job.host = undefined;
      if (loss.outOfMemory) this.#outOfMemory(id, new OutOfMemoryError(loss.reason));
      else if (job.starts >= MOST_STARTS) this.#finish(id, new EngineCrashedError(job.starts));
      else this.#suspects.push(job);
    }
    if (trouble !== undefined) this.#cannotLoad(trouble);
    if (this.#jobs.size > 0) this.wake('any');
    this.#dispatch();
  }

  /** What had too little memory beside others may have enough alone; what had too little alone has had its chance. */
  #outOfMemory(id: number, error: OutOfMemoryError): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    if (job.starts >= MOST_STARTS_WITHOUT_MEMORY) {
      this.#finish(id, error);
      return;
    }
    job.host = undefined;
    this.#suspects.push(job);
    this.#dispatch();
  }

  /** With another process up the work goes on there. */
  #cannotLoad({ kind, reason }: LoadTrouble): void {
    const { setup, onCannotLoad, loadTimeoutMs = this.#options.timeoutMs } = this.#options;
    if (onCannotLoad === undefined || this.#ended !== undefined || this.up) return;
    const model = setup.models.map(({ id }) => id).join(', ');
    const error =
      kind === 'failed'
        ? new ModelLoadError(model, reason)
        : new ModelLoadTimeoutError(model, loadTimeoutMs / 1000);
    void this.#end(error);
    onCannotLoad(error);
  }

  #abort(id: number, error: Error): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    if (job.host !== undefined) job.host.cancel(id);
    else if (!this.#queues.remove(job)) this.#suspects.splice(this.#suspects.indexOf(job), 1);
    job.reject(error);
    this.#dispatch();
    this.#idle.look();
  }
}
