import { type ChildProcess, fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { endFirstWithoutMemory } from '../util/out-of-memory.ts';
import type { FromProcess, InferenceSetup, ToProcess } from './inference-protocol.ts';
import { limitMemory } from './memory-limit.ts';

/** The source runs as .ts under tsx, the build as .js. */
const MODULE_SUFFIX = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/**
 * Of processes with long work beside an express one: at 10 against 0 the kernel gives them a tenth of a core that both want, so the
 * express process goes first without waiting for a model run to end.
 */
const NICE = 10;

/** Its data lie outside V8's heap; room for 48 MB of young objects would only be filled while modules load. */
export const SMALL_HEAP: readonly string[] = ['--max-semi-space-size=1'];

export interface InferenceChildOptions {
  readonly setup: InferenceSetup;
  /** Whether it gives way to others when the machine is short of cores. */
  readonly stepsBack: boolean;
  /** Most private memory it may have; default no limit. */
  readonly memoryBytes?: number | undefined;
  /** The child's module; tests give a scripted one. */
  readonly entry?: string | undefined;
}

/** Forks an inference process and tells it what to load. */
export function forkInferenceProcess(options: InferenceChildOptions): ChildProcess {
  const entry =
    options.entry ?? fileURLToPath(new URL(`./inference-process${MODULE_SUFFIX}`, import.meta.url));
  const execArgv = [...SMALL_HEAP, ...(entry.endsWith('.ts') ? ['--import', 'tsx'] : [])];
  const child = fork(entry, [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: childEnvironment(),
    ...(options.memoryBytes === undefined ? { execArgv } : limitMemory(options.memoryBytes, execArgv)),
  });
  endFirstWithoutMemory(child.pid);
  child.on('error', () => undefined); // An exit follows, or the fork failed and the exit handler runs.
  if (options.stepsBack) stepBack(child);
  send(child, { type: 'setup', setup: options.setup });
  return child;
}

/** A process that is just dying takes no message; its exit handler gives the tasks back. */
export function send(child: ChildProcess, message: ToProcess): void {
  if (child.connected) child.send(message, () => undefined);
}

/** A process inside a long inference reads no message: it is killed. Resolves when it is gone. */
export async function end(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** Whether a process gets its models loaded before it ends. */
export function isLoaded(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.on('message', (message: FromProcess) => {
      if (message.type === 'ready') resolve(true);
    });
    child.once('exit', () => resolve(false));
    child.once('error', () => resolve(false));
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
 * block that is freed, and then keeps them all; fixed, the sound of chunks that are done goes back to the system at once. What a run
 * of a graph needs is not touched by it: the runtime keeps that in its arena. That and the packed weights are read from end to end
 * in every decoder step: in huge pages, where the system gives them on request, a step takes 8 to 12 % less processor time and the
 * process no more memory (bench/results/2026-11-23-speed.md). Tunables of the operator's own stay.
 */
export function childEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('STENO_'));
  const tunables = ['glibc.malloc.hugetlb=1', process.env.GLIBC_TUNABLES].filter(Boolean).join(':');
  return {
    ...Object.fromEntries(own),
    MALLOC_MMAP_THRESHOLD_: String(256 * 1024),
    GLIBC_TUNABLES: tunables,
  };
}
