import type { ModelEntry } from '../models/catalog.ts';
import type { ModelSetup } from './inference-protocol.ts';
import type { TaskEnd } from './job.ts';
import { Scheduler } from './scheduler.ts';
import type { SchedulerOptions } from './scheduler-options.ts';

/** What the processes of all models have in common. */
export interface ModelPoolOptions
  extends Pick<
    SchedulerOptions,
    'idleMs' | 'timeoutMs' | 'memoryBytes' | 'entry' | 'onBuild' | 'onNotice' | 'onProcessLost' | 'stepsBack'
  > {
  /** Where graphs built from the models' weights are kept. */
  readonly cacheDirectory: string;
  /** Processes of a model whose engine computes on one thread. */
  readonly processes: number;
  /** For engines that compute on several threads themselves. */
  readonly engineFacts?: Pick<ModelSetup, 'threads' | 'variant'>;
  readonly loadSeconds: number;
  readonly onTaskEnd?: ((end: TaskEnd) => void) | undefined;
}

export interface OpenPoolOptions extends ModelPoolOptions {
  /** Aborting ends the processes; the opening then rejects. */
  readonly signal: AbortSignal;
  /** Told of the processes before any of them is up. */
  readonly onStart: (pool: Scheduler) => void;
  /** Told when the model cannot be loaded any more once it was. */
  readonly onBroken: (error: Error) => void;
}

/** Starts processes of their own for a model. Resolves when the first has it loaded; rejects with nothing left behind. */
export async function openModelPool(
  model: ModelEntry,
  directory: string,
  options: OpenPoolOptions,
): Promise<Scheduler> {
  const {
    signal,
    cacheDirectory,
    loadSeconds,
    timeoutMs,
    entry,
    onBuild,
    onNotice,
    onProcessLost,
    onTaskEnd,
  } = options;
  signal.throwIfAborted();
  const pool = new Scheduler({
    setup: { cacheDirectory, models: [setupOf(model, directory, options)] },
    processes: processesOf(model, options),
    stepsBack: options.stepsBack ?? false,
    // Weights that are not mapped would be read again, and for a moment be there twice.
    idleMs: model.engine === 'moonshine' ? options.idleMs : undefined,
    timeoutMs,
    loadTimeoutMs: loadSeconds * 1000,
    memoryBytes: options.memoryBytes,
    entry,
    ...(onBuild === undefined ? {} : { onBuild }),
    ...(onNotice === undefined ? {} : { onNotice }),
    ...(onProcessLost === undefined ? {} : { onProcessLost }),
    onCannotLoad: options.onBroken,
    onTaskEnd,
  });
  options.onStart(pool);
  const stop = (): void => void pool.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await pool.started('first');
    return pool;
  } catch (error) {
    await pool.close();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** An estimate of what the processes of a model take together. */
export function poolMemoryBytes(model: ModelEntry, options: Pick<ModelPoolOptions, 'processes'>): number {
  return model.memoryBytes * processesOf(model, options);
}

function processesOf(model: ModelEntry, { processes }: Pick<ModelPoolOptions, 'processes'>): number {
  return model.engine === 'whisper-cpp' ? 1 : processes;
}

function setupOf(model: ModelEntry, directory: string, { engineFacts }: ModelPoolOptions): ModelSetup {
  const { id, engine, architecture, languages, abilities } = model;
  return {
    id,
    engine,
    directory,
    languages,
    abilities,
    ...(architecture === undefined ? {} : { architecture }),
    ...engineFacts,
  };
}
