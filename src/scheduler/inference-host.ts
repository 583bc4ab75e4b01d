import type { ChildProcess } from 'node:child_process';
import type { Capabilities } from '../engines/engine.ts';
import { OutOfMemoryError } from '../errors.ts';
import { saysOutOfMemory } from '../util/out-of-memory.ts';
import { watchForMemory } from './child-end.ts';
import { end, forkInferenceProcess, isLoaded, send } from './inference-child.ts';
import type { InferenceHostOptions } from './inference-host-options.ts';
import type { FromProcess, InferenceResult, InferenceTask, ToProcess } from './inference-protocol.ts';
import { LingerWatch } from './linger-watch.ts';

const RESTART_DELAY_MS = { first: 50, most: 10_000 };

/**
 * Supervisor of one inference process.
 *
 * States: `starting` (forked, models loading) -> `ready` (takes tasks) -> `down` (ended; forked again after a delay that doubles
 * with each end that came before any result) -> `starting` ...; `resting` (no process until `wake`); `closed` ends it for good.
 * `run` is for `ready` only; `cancel` of a task the process does not hold is ignored. While a ready process is renewed, its
 * successor loads beside it and takes over when both have nothing to do. A process that lingers over a cancelled task is given
 * nothing new; when it holds nothing else and goes on too long, another takes its place.
 */
export class InferenceHost {
  readonly #options: InferenceHostOptions;
  readonly #running = new Set<number>();
  #child: ChildProcess | undefined;
  #successor: ChildProcess | undefined;
  /** Whether the process has worked since it was started, and so has grown. */
  #used = false;
  #state: 'starting' | 'ready' | 'down' | 'resting' | 'closed' = 'resting';
  #capabilities: Readonly<Record<string, Capabilities>> = {};
  readonly #linger: LingerWatch;
  /** The last start was no recovery: there was nothing wrong before it. */
  #startedAtWill = true;
  #failure: string | undefined;
  #silent = false;
  #watchdog: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #restartDelayMs = RESTART_DELAY_MS.first;

  constructor(options: InferenceHostOptions) {
    this.#options = options;
    this.#linger = new LingerWatch({
      isHolding: () => this.#running.size > 0,
      onFree: () => {
        if (this.ready) options.onReady(this);
      },
      onTooLong: () => void this.#replace(),
    });
    if (!options.startsResting) this.#start('at-will');
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  /** Ready, and free to take tasks. */
  get accepting(): boolean {
    return this.ready && this.#linger.isFree;
  }

  /** Ready, or would be with its next task: at rest, or started anew at will. */
  get available(): boolean {
    return this.ready || this.resting || (this.#state === 'starting' && this.#startedAtWill);
  }

  /** No process runs and none is being started. */
  get resting(): boolean {
    return this.#state === 'resting';
  }

  get lane(): 'express' | 'any' {
    return this.#options.lane;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Abilities of the loaded models, by model id. */
  get capabilities(): Readonly<Record<string, Capabilities>> {
    return this.#capabilities;
  }

  /** Tasks the process holds now. */
  get load(): number {
    return this.#running.size;
  }

  run(id: number, task: InferenceTask): void {
    this.#used = true;
    this.#running.add(id);
    this.#send({ type: 'task', id, task });
    if (this.#running.size === 1) this.#watch();
  }

  cancel(id: number): void {
    if (!this.#running.delete(id)) return;
    this.#linger.cancelled(id);
    // The watchdog goes on until the process answers: one that hangs must not be found by the next task.
    this.#send({ type: 'cancel', id });
  }

  /** Ends the process when it has nothing to do; its memory goes back to the system until `wake`. */
  async rest(): Promise<void> {
    if (this.#state !== 'ready' || this.load > 0) return;
    this.#state = 'resting';
    this.#clearClocks();
    const child = this.#child;
    this.#child = undefined;
    await end(child);
  }

  /** Starts a resting process; nothing happens to another one. */
  wake(): void {
    if (this.#state === 'resting') this.#start('at-will');
  }

  /** Puts a fresh process in the place of one that has worked and has nothing to do, and with it gives back what it has grown by. */
  async renew(): Promise<void> {
    if (this.#state !== 'ready' || !this.#used || this.load > 0 || this.#successor !== undefined) return;
    const successor = this.#fork();
    this.#successor = successor;
    const loaded = await isLoaded(successor);
    const wanted = this.#successor === successor;
    this.#successor = undefined;
    if (!loaded || !wanted || this.#state !== 'ready' || this.load > 0) return end(successor);
    const predecessor = this.#child;
    this.#child = successor;
    this.#used = false;
    this.#linger.forget();
    await end(predecessor);
  }

  /** Ends the process; its tasks are dropped without a word. Resolves when it is gone. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#clearClocks();
    clearTimeout(this.#restart);
    const children = [this.#child, this.#successor];
    this.#successor = undefined;
    await Promise.all(children.map((child) => end(child)));
  }

  #start(why: 'at-will' | 'after-loss'): void {
    this.#state = 'starting';
    this.#used = false;
    this.#startedAtWill = why === 'at-will';
    this.#failure = undefined;
    this.#silent = false;
    try {
      this.#child = this.#fork();
      this.#watch();
    } catch (error) {
      this.#ended(`it could not be started: ${(error as Error).message}`);
    }
  }

  /** Only the current process is listened to; a successor is still a stranger. */
  #fork(): ChildProcess {
    const child = forkInferenceProcess(this.#options);
    child.on('message', (message: FromProcess) => {
      if (child === this.#child) this.#receive(message);
    });
    child.once('error', (error) => {
      // Without a process there is no exit to come.
      if (child === this.#child && child.pid === undefined)
        this.#ended(`it could not be started: ${error.message}`);
    });
    const wasOutOfMemory = watchForMemory(child);
    // Not with its exit: its last words may still be on their way.
    child.once('close', (code, signal) => {
      if (child === this.#child) this.#ended(signal ?? `code ${code}`, wasOutOfMemory());
    });
    return child;
  }

  #receive(message: FromProcess): void {
    if (this.#state === 'closed') return;
    switch (message.type) {
      case 'ready':
        this.#state = 'ready';
        this.#capabilities = message.capabilities;
        this.#watch();
        this.#options.onReady(this);
        return;
      case 'building':
        // Building holds far more memory than the graph does.
        this.#used = true;
        this.#watch();
        this.#options.onBuild(message.name);
        return;
      case 'notice':
        this.#options.onNotice(message.model, message.message);
        return;
      case 'load-failed':
        this.#failure = message.message;
        return;
      case 'alive':
        this.#watch();
        this.#linger.told(message);
        return;
      case 'result':
        this.#restartDelayMs = RESTART_DELAY_MS.first;
        this.#finish(message.id, message.result);
        return;
      case 'failed':
        this.#finish(message.id, taskError(message.message));
    }
  }

  #finish(id: number, result: InferenceResult | Error): void {
    const known = this.#running.delete(id);
    this.#watch();
    this.#linger.finished();
    if (known) this.#options.onResult(this, id, result);
  }

  #ended(reason: string, outOfMemory = false): void {
    this.#clearClocks();
    if (this.#state === 'closed') return;
    const loaded = this.#state === 'ready';
    this.#state = 'down';
    this.#child = undefined;
    const lost = [...this.#running];
    this.#running.clear();
    this.#restart = setTimeout(() => this.#start('after-loss'), this.#restartDelayMs);
    this.#restartDelayMs = Math.min(this.#restartDelayMs * 2, RESTART_DELAY_MS.most);
    const [failure, silent] = [this.#failure, this.#silent];
    const why = outOfMemory ? `out of memory (${reason})` : reason;
    this.#options.onLost(this, { lost, reason: why, loaded, failure, silent, outOfMemory });
  }

  /** Starts the silence clock anew; it stands still while the process has nothing to do. */
  #watch(): void {
    clearTimeout(this.#watchdog);
    if (this.#state === 'ready' && this.#running.size === 0) return;
    const limitMs = this.#state === 'ready' ? this.#options.timeoutMs : this.#options.loadTimeoutMs;
    this.#watchdog = setTimeout(() => {
      this.#silent = true;
      this.#child?.kill('SIGKILL');
    }, limitMs);
    this.#watchdog.unref();
  }

  /** Ends the process and starts another once its memory is free. */
  async #replace(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#state = 'starting';
    this.#startedAtWill = true;
    this.#clearClocks();
    await end(child);
    if (this.#state === 'starting' && this.#child === undefined) this.#start('at-will');
  }

  #clearClocks(): void {
    this.#linger.forget();
    clearTimeout(this.#watchdog);
  }

  #send(message: ToProcess): void {
    if (this.#child !== undefined) send(this.#child, message);
  }
}

/** A failure in a process that goes on; one for want of memory is nothing the recording did. */
function taskError(message: string): Error {
  return saysOutOfMemory(message) ? new OutOfMemoryError(message) : new Error(message);
}
