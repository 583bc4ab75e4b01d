import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { Metrics } from '../metrics.ts';
import { BUNDLED_MODELS, CATALOG, type ModelEntry } from '../models/catalog.ts';
import type { ResidencyEvent } from '../models/residency-options.ts';
import type { TaskEnd } from '../scheduler/job.ts';
import { requireMemoryLimit } from '../scheduler/memory-limit.ts';
import { createModelPools, type ModelPools, type ModelPoolsOptions } from '../scheduler/model-pools.ts';
import { Scheduler } from '../scheduler/scheduler.ts';

export interface OpenInferenceOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The folder of the package's models. */
  readonly bundledDir: string;
  readonly directoryOf: ModelPoolsOptions['directoryOf'];
  /** Loaded at the start and kept. */
  readonly preload: readonly ModelEntry[];
  /** The inference process's module; tests give a scripted one. */
  readonly entry?: string | undefined;
}

/** Inference processes: the base ones with the voice detector and the package's models, and those of other models. */
export interface Inference {
  readonly base: Scheduler;
  readonly pools: ModelPools;
  /** Resolves when the base processes are up, and the models to preload loaded or found not loadable. */
  readonly started: Promise<void>;
  /** Ends all processes; their work is rejected with ShuttingDownError. */
  close(): Promise<void>;
}

export function openInference(options: OpenInferenceOptions): Inference {
  const { config, bundledDir, directoryOf, preload, entry } = options;
  const cacheDirectory = join(config.dataDir, 'graphs');
  const shared = {
    processes: config.engineProcesses,
    idleMs: config.engineIdleSeconds === 0 ? undefined : config.engineIdleSeconds * 1000,
    timeoutMs: config.engineTimeoutSeconds * 1000,
    memoryBytes: memoryLimit(config),
    entry,
    ...watchWork(options),
  };
  const base = new Scheduler({
    ...shared,
    setup: {
      cacheDirectory,
      vadPath: join(bundledDir, CATALOG.vad.files[0]?.name ?? ''),
      models: BUNDLED_MODELS.map(({ id, engine }) => ({ id, engine, directory: join(bundledDir, id) })),
    },
    express: config.engineExpress,
    restMs: restMs(config),
  });
  const kept = new Set(preload.map(({ id }) => id));
  const pools = createModelPools({
    ...shared,
    base,
    baseModels: BUNDLED_MODELS.map(({ id }) => id),
    cacheDirectory,
    directoryOf,
    engineFacts: {
      ...(config.whisperThreads === 0 ? {} : { threads: config.whisperThreads }),
      variant: config.whisperVariant,
    },
    // The express process goes before the work of all models.
    stepsBack: config.engineExpress,
    budgetBytes: config.modelMemoryBytes,
    keepAliveSecondsOf: (id) => (kept.has(id) ? -1 : config.keepAliveSeconds),
    loadSeconds: config.modelLoadSeconds,
    onEvent: (event) => reportModel(event, options),
  });
  const loadKept = async (): Promise<void> => {
    // A failure is logged as that of any load.
    await Promise.all(preload.map((model) => pools.load(model).catch(() => undefined)));
  };
  return {
    base,
    pools,
    started: base.started().then(loadKept),
    async close() {
      await Promise.all([pools.close(), base.close()]);
    },
  };
}

function memoryLimit({ engineMemoryBytes }: Config): number | undefined {
  if (engineMemoryBytes === 0) return undefined;
  requireMemoryLimit(engineMemoryBytes);
  return engineMemoryBytes;
}

/** Between two tasks of one request there may be nothing to do for a moment. */
const LEAST_REST_MS = 1000;

function restMs({ embeddedKeepAliveSeconds }: Config): number | undefined {
  return embeddedKeepAliveSeconds < 0 ? undefined : Math.max(LEAST_REST_MS, embeddedKeepAliveSeconds * 1000);
}

/** Figures and log lines of the work in all processes. */
function watchWork({ logger, metrics }: OpenInferenceOptions) {
  return {
    onBuild: (name: string) => logger.info({ name }, 'first start: building a graph from the model, once'),
    onNotice: (model: string, message: string) => logger.warn({ model }, message),
    onProcessLost: (event: { readonly reason: string; readonly lostTasks: number }) => {
      metrics.processesLost.inc();
      logger.error(event, 'an inference process ended unasked');
    },
    onTaskEnd: ({ kind, outcome, batch }: TaskEnd) => {
      metrics.tasks.inc({ kind, outcome });
      if (kind === 'transcribe' && batch > 0) metrics.batchSize.observe(batch);
    },
  };
}

function reportModel(event: ResidencyEvent, { logger, metrics }: OpenInferenceOptions): void {
  const model = event.id;
  if (event.type === 'load-start') {
    logger.debug({ model }, 'a model is being loaded');
  } else if (event.type === 'unload') {
    metrics.modelUnloads.inc({ model, reason: event.reason });
    logger.info({ model, reason: event.reason }, 'a model was unloaded');
  } else {
    const { outcome, second, error } = event;
    metrics.modelLoads.inc({ model, outcome });
    if (outcome === 'loaded') {
      metrics.modelLoadSeconds.observe({ model }, second);
      logger.info({ model, second }, 'a model was loaded');
    } else if (outcome === 'cancelled') logger.info({ model, second }, 'nobody waits for a model any more');
    else logger.error({ model, second, err: error }, 'a model could not be loaded');
  }
}
