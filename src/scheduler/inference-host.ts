import { type ChildProcess, fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Capabilities } from '../engines/engine.ts';
import type {
  FromProcess,
  InferenceResult,
  InferenceSetup,
  InferenceTask,
  ToProcess,
} from './inference-protocol.ts';

export interface InferenceHostOptions {
  readonly setup: InferenceSetup;
  /** A process that has work and says nothing for so long is killed. */
  readonly timeoutMs: number;
  /** Which work it takes: `express` only what is urgent, `any` all. */
  readonly lane: 'express' | 'any';
  /** Whether it waits for `wake` before its first process. */
  readonly startsResting: boolean;
  /** Whether it gives way to others when the machine is short of cores. */
  readonly stepsBack: boolean;
  /** The child's module; tests give a scripted one. */
  readonly entry?: string | undefined;
  /** A process is up and its models are loaded. */
  readonly onReady: (host: InferenceHost) => void;
  /** The process builds something that later starts find ready. */
  readonly onBuild: (name: string) => void;
  readonly onResult: (host: InferenceHost, id: number, result: InferenceResult | Error) => void;
  /** The process ended unasked; `lost` are the tasks it held. */
  readonly onLost: (host: InferenceHost, lost: readonly number[], reason: string) => void;
}

/** The source runs as .ts under tsx, the build as .js. */
const MODULE_SUFFIX = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/**
 * Of processes with long work beside an express one: at 10 against 0 the kernel gives them a tenth of a core that both want, so the
 * express process goes first without waiting for a model run to end.
 */
const NICE = 10;

const RESTART_DELAY_MS = { first: 50, most: 10_000 };

/**
 * Supervisor of one inference process.
 *
 * States: `starting` (forked, models loading) -> `ready` (takes tasks) -> `down` (ended; forked again after a delay that doubles
 * with each end that came before any result) -> `starting` ...; `resting` (no process until `wake`); `closed` ends it for good.
 * `run` is for `ready` only; `cancel` of a task the process does not hold is ignored. While a ready process is renewed, its
 * successor loads beside it and takes over when both have nothing to do.
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
  #watchdog: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #restartDelayMs = RESTART_DELAY_MS.first;

  constructor(options: InferenceHostOptions) {
    this.#options = options;
    if (!options.startsResting) this.#start();
  }

  get ready(): boolean {
    return this.#state === 'ready';
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
    // The watchdog goes on until the process answers: one that hangs must not be found by the next task.
    this.#send({ type: 'cancel', id });
  }

  /** Ends the process when it has nothing to do; its memory goes back to the system until `wake`. */
  async rest(): Promise<void> {
    if (this.#state !== 'ready' || this.load > 0) return;
    this.#state = 'resting';
    clearTimeout(this.#watchdog);
    const child = this.#child;
    this.#child = undefined;
    await end(child);
  }

  /** Starts a resting process; nothing happens to another one. */
  wake(): void {
    if (this.#state === 'resting') this.#start();
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
    await end(predecessor);
  }

  /** Ends the process; its tasks are dropped without a word. Resolves when it is gone. */
  async close(): Promise<void> {
    this.#state = 'closed';
    clearTimeout(this.#watchdog);
    clearTimeout(this.#restart);
    const children = [this.#child, this.#successor];
    this.#successor = undefined;
    await Promise.all(children.map((child) => end(child)));
  }

  #start(): void {
    this.#state = 'starting';
    this.#used = false;
    this.#child = this.#fork();
    this.#watch();
  }

  /** Forks a process and tells it what to load. Only the current one is listened to; a successor is still a stranger. */
  #fork(): ChildProcess {
    const entry =
      this.#options.entry ?? fileURLToPath(new URL(`./inference-process${MODULE_SUFFIX}`, import.meta.url));
    const child = fork(entry, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: childEnvironment(),
      execArgv: entry.endsWith('.ts') ? ['--import', 'tsx'] : [],
    });
    if (this.#options.stepsBack) stepBack(child);
    child.on('message', (message: FromProcess) => {
      if (child === this.#child) this.#receive(message);
    });
    child.on('error', () => undefined); // An exit follows, or the fork failed and the exit handler runs below.
    child.once('exit', (code, signal) => {
      if (child === this.#child) this.#ended(signal ?? `code ${code}`);
    });
    send(child, { type: 'setup', setup: this.#options.setup });
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
      case 'alive':
        this.#watch();
        return;
      case 'result':
        this.#restartDelayMs = RESTART_DELAY_MS.first;
        this.#finish(message.id, message.result);
        return;
      case 'failed':
        this.#finish(message.id, new Error(message.message));
    }
  }

  #finish(id: number, result: InferenceResult | Error): void {
    const known = this.#running.delete(id);
    this.#watch();
    if (known) this.#options.onResult(this, id, result);
  }

  #ended(reason: string): void {
    clearTimeout(this.#watchdog);
    if (this.#state === 'closed') return;
    this.#state = 'down';
    const lost = [...this.#running];
    this.#running.clear();
    this.#restart = setTimeout(() => this.#start(), this.#restartDelayMs);
    this.#restartDelayMs = Math.min(this.#restartDelayMs * 2, RESTART_DELAY_MS.most);
    this.#options.onLost(this, lost, reason);
  }

  /** Starts the silence clock anew; it stands still while the process has nothing to do. */
  #watch(): void {
    clearTimeout(this.#watchdog);
    if (this.#state === 'ready' && this.#running.size === 0) return;
    this.#watchdog = setTimeout(() => this.#child?.kill('SIGKILL'), this.#options.timeoutMs);
    this.#watchdog.unref();
  }

  #send(message: ToProcess): void {
    if (this.#child !== undefined) send(this.#child, message);
  }
}

/** A process that is just dying takes no message; its exit handler gives the tasks back. */
function send(child: ChildProcess, message: ToProcess): void {
  if (child.connected) child.send(message, () => undefined);
}

/** A process inside a long inference reads no message: it is killed. Resolves when it is gone. */
async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** Whether a process gets its models loaded before it ends. */
function isLoaded(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.on('message', (message: FromProcess) => {
      if (message.type === 'ready') resolve(true);
    });
    child.once('exit', () => resolve(false));
  });
}

function stepBack({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, NICE);
  } catch {
    // Not everywhere allowed; the work is the same, only the waiting is longer.
  }
}

/**
 * Children need no secret: keys stay out of their environment. glibc raises its threshold for giving memory back with every large
 * block that is freed, and then keeps them all; fixed at 4 MiB an inference process ends 75 MB smaller for 1-2 % more time.
 */
function childEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('STENO_'));
  return { ...Object.fromEntries(own), MALLOC_MMAP_THRESHOLD_: String(4 * 1024 * 1024) };
}
