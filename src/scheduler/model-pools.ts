import { ModelNotInstalledError } from '../errors.ts';
import type { ModelEntry } from '../models/catalog.ts';
import { Residency } from '../models/residency.ts';
import type { AcquireOptions, ModelResidency, ResidencyEvent } from '../models/residency-options.ts';
import type { TranscribeResult, TranscribeTask } from './inference-protocol.ts';
import { type ModelPoolOptions, openModelPool, poolMemoryBytes } from './model-pool.ts';
import type { Scheduler } from './scheduler.ts';
import type { SubmitOptions } from './scheduler-options.ts';

export interface ModelPoolsOptions extends ModelPoolOptions {
  /** Has the voice detector and the models of the package loaded. */
  readonly base: Scheduler;
  /** Ids of the models that `base` has. */
  readonly baseModels: readonly string[];
  /** Asked each time a model is loaded: its files may have been replaced. Undefined when it is not installed. */
  readonly directoryOf: (id: string) => string | undefined;
  /** Memory that all models but those of `base` may take together; 0 is no limit. */
  readonly budgetBytes: number;
  /** How long a model stays loaded after its last request: 0 not at all, -1 for ever. */
  readonly keepAliveSecondsOf: (id: string) => number;
  readonly onEvent?: (event: ResidencyEvent) => void;
}

/** A model that stays loaded until `release`; calling that twice is fine. */
export interface ModelLease {
  readonly model: string;
  submit(task: TranscribeTask, options: SubmitOptions): Promise<TranscribeResult>;
  release(): void;
}

export interface LeaseOptions {
  readonly signal?: AbortSignal | undefined;
  /** Gives up when memory does not become free within so long; loading itself has a limit of its own. */
  readonly startWithinSeconds?: number | undefined;
}

/**
 * Inference processes of all models: those of the package share the base ones, every other model has its own, from its first request
 * until some time after its last.
 */
export interface ModelPools {
  /**
   * Loads the model if it is not. Rejects with AbortedError, ModelNotInstalledError, ModelTooLargeError, ModelMemoryTimeoutError,
   * ModelLoadError, ModelLoadTimeoutError or ShuttingDownError.
   */
  lease(model: ModelEntry, options?: LeaseOptions): Promise<ModelLease>;
  /** Loads the model without a request. Rejects as {@link lease} does. */
  load(model: ModelEntry, options?: LeaseOptions): Promise<void>;
  /** False when the model is in use or being loaded; true when it is not in memory any more. */
  unload(id: string): Promise<boolean>;
  stateOf(id: string): ModelResidency;
  /** The same in the words of `GET /v1/models`: what is not in memory is `ready`, because it loads on use. */
  loadStateOf(id: string): LoadState;
  /** Whether requests use the model or wait for it. */
  isInUse(id: string): boolean;
  /** Ids of the models that are loaded, those of the base processes left out. */
  loaded(): readonly string[];
  /** Tasks that wait for a process, in all pools. */
  readonly waiting: number;
  /** Tasks that processes hold, in all pools. */
  readonly running: number;
  /** Of all pools, the base one first; those that are being loaded too. */
  readonly processIds: readonly number[];
  /** In all pools, the base one too: rejects requests whose turn has not come with ShuttingDownError. */
  refuseWaiting(): void;
  /** Ends all processes but the base ones, those of models being loaded too. */
  close(): Promise<void>;
}

export interface LoadState {
  readonly state: 'ready' | 'loading' | 'loaded' | 'failed';
  /** Why it failed. */
  readonly reason?: string;
}

export function createModelPools(options: ModelPoolsOptions): ModelPools {
  const { base, directoryOf, budgetBytes, keepAliveSecondsOf, onEvent } = options;
  const baseModels = new Set(options.baseModels);
  /** As they were when they were last asked for. */
  const entries = new Map<string, ModelEntry>();
  const folders = new Map<string, string>();
  const entryOf = (id: string): ModelEntry => {
    const entry = entries.get(id);
    if (entry === undefined) throw new Error(`nobody has asked for the model ${id}`);
    return entry;
  };
  const folderOf = (id: string): string => {
    const directory = directoryOf(id);
    if (directory === undefined) throw new ModelNotInstalledError(id);
    return directory;
  };
  /** With those of models that are being loaded. */
  const running = new Set<Scheduler>([base]);
  const residency: Residency<Scheduler> = new Residency({
    load: (id, signal) => openTracked(entryOf(id), signal),
    unload: async (_id, pool) => {
      await pool.close();
      running.delete(pool);
    },
    memoryBytesOf: (id) => poolMemoryBytes(entryOf(id), options),
    budgetBytes,
    keepAliveSecondsOf,
    loadSeconds: options.loadSeconds,
    ...(onEvent === undefined ? {} : { onEvent }),
  });
  const openTracked = async (model: ModelEntry, signal: AbortSignal): Promise<Scheduler> => {
    let started: Scheduler | undefined;
    const onStart = (pool: Scheduler): void => {
      started = pool;
      running.add(pool);
    };
    const onBroken = (error: Error): void => residency.broken(model.id, error);
    try {
      return await openModelPool(model, folderOf(model.id), { ...options, signal, onStart, onBroken });
    } catch (error) {
      if (started !== undefined) running.delete(started);
      throw error;
    }
  };
  const prepare = (model: ModelEntry): string => {
    const folder = folderOf(model.id);
    // Its files were replaced meanwhile: what failed before says nothing of these.
    if (folder !== folders.get(model.id) && residency.stateOf(model.id).state === 'failed')
      void residency.unload(model.id);
    folders.set(model.id, folder);
    entries.set(model.id, model);
    return model.id;
  };
  const stateOf = (id: string): ModelResidency => {
    if (baseModels.has(id)) return baseState(base);
    const pool = residency.loaded().get(id);
    const state = residency.stateOf(id);
    return pool === undefined || pool.healthy ? state : { ...state, state: 'failed', reason: KEEPS_ENDING };
  };
  const sum = (figure: (pool: Scheduler) => number): number =>
    [...running].reduce((total, pool) => total + figure(pool), 0);

  return {
    async lease(model, leaseOptions = {}) {
      if (baseModels.has(model.id))
        return {
          model: model.id,
          submit: (task, submitOptions) => base.submit(task, submitOptions),
          release: () => undefined,
        };
      const { loaded, release } = await residency.acquire(prepare(model), waits(leaseOptions));
      return {
        model: model.id,
        submit: (task, submitOptions) => loaded.submit(task, submitOptions),
        release,
      };
    },
    async load(model, leaseOptions = {}) {
      if (!baseModels.has(model.id)) return residency.load(prepare(model), waits(leaseOptions));
      base.wake('any');
      await base.started('first');
    },
    async unload(id) {
      if (!baseModels.has(id)) return residency.unload(id);
      if (base.waiting + base.running > 0 || !(base.up || base.resting)) return false;
      await base.rest();
      return true;
    },
    stateOf,
    loadStateOf(id) {
      const { state, reason } = stateOf(id);
      if (state === 'unloaded' || state === 'unloading') return { state: 'ready' };
      return { state, ...(reason === undefined ? {} : { reason }) };
    },
    isInUse: (id) =>
      baseModels.has(id) ? base.waiting + base.running > 0 : residency.stateOf(id).leases > 0,
    loaded: () => [...residency.loaded().keys()],
    get waiting() {
      return sum((pool) => pool.waiting);
    },
    get running() {
      return sum((pool) => pool.running);
    },
    get processIds() {
      return [...running].flatMap((pool) => pool.processIds);
    },
    refuseWaiting() {
      for (const pool of running) pool.refuseWaiting();
    },
    close: () => residency.close(),
  };
}

const KEEPS_ENDING = 'its inference processes keep ending';

function baseState(base: Scheduler): ModelResidency {
  const figures = { leases: base.running + base.waiting, memoryBytes: 0 };
  if (!base.healthy && base.up) return { ...figures, state: 'failed', reason: KEEPS_ENDING };
  if (base.resting) return { ...figures, state: 'unloaded' };
  return { ...figures, state: base.up ? 'loaded' : 'loading' };
}

function waits({ signal, startWithinSeconds }: LeaseOptions): AcquireOptions {
  return { signal, memoryWithinSeconds: startWithinSeconds };
}
