import type { ModelLoadError, ModelLoadTimeoutError } from '../errors.ts';
import type { Turn } from './fair-queue.ts';
import type { InferenceSetup } from './inference-protocol.ts';
import type { TaskEnd } from './job.ts';

export interface SchedulerOptions {
  readonly setup: InferenceSetup;
  readonly processes: number;
  /** One more process that takes urgent work only, started when there is other work too. Default false. */
  readonly express?: boolean;
  /** Whether processes give way to others when the machine is short of cores. Default: those beside an express one. */
  readonly stepsBack?: boolean;
  /** After so long without work all processes but one end, and that one gives back the memory it has grown by; default never. */
  readonly idleMs?: number | undefined;
  /** After so long without work the processes end, until there is work again; default never. */
  readonly restMs?: number | undefined;
  /** A process that has work and says nothing for so long is killed. */
  readonly timeoutMs: number;
  /** The same while it loads its models; default as {@link timeoutMs}. */
  readonly loadTimeoutMs?: number;
  /** Most private memory a process may have; default no limit. */
  readonly memoryBytes?: number | undefined;
  /** The child's module; tests give a scripted one. */
  readonly entry?: string | undefined;
  /** Told when a process builds something that later starts find ready. */
  readonly onBuild?: (name: string) => void;
  /** Told what an operator should know of how a model runs, once a load. */
  readonly onNotice?: (model: string, message: string) => void;
  /** Told of every process that ended unasked. */
  readonly onProcessLost?: (event: { readonly reason: string; readonly lostTasks: number }) => void;
  /**
   * Told when no process can load the models, which then ends the scheduler and rejects all its work. Without it, processes are
   * started again and again.
   */
  readonly onCannotLoad?: ((error: ModelLoadError | ModelLoadTimeoutError) => void) | undefined;
  /** Told of every task that ended, whatever its end. */
  readonly onTaskEnd?: ((end: TaskEnd) => void) | undefined;
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
