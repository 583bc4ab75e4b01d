import { randomBytes } from 'node:crypto';
import { existsSync, statfsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Ffmpeg } from './audio/ffmpeg.ts';
import { probeFfmpeg } from './audio/probe-ffmpeg.ts';
import { warmUpResampler } from './audio/resample.ts';
import type { Config } from './config.ts';
import { ConfigError, DiskReserveError } from './errors.ts';
import { createLogger } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { BUNDLED_MODELS, CATALOG, createModelRegistry, type ModelRegistry } from './models/catalog.ts';
import { type Admission, createAdmission } from './scheduler/admission.ts';
import { Scheduler } from './scheduler/scheduler.ts';
import { type Accounts, createAccounts } from './store/accounts.ts';
import type { KeyRing } from './store/key-ring.ts';
import { createMemoryStore } from './store/memory-store.ts';
import { openDataStore } from './store/sqlite/open-store.ts';
import { lockDataFolder } from './store/sqlite/server-lock.ts';
import type { KeyLimits } from './store/store.ts';
import { createLocalTranscriber } from './transcribe/local-transcriber.ts';
import type { Transcriber } from './transcribe/transcriber.ts';
import { openScratchSpace, type ScratchSpace } from './util/scratch-space.ts';

/** Whether the server can answer transcriptions now; `reason` says why not. */
export interface Readiness {
  readonly ready: boolean;
  readonly reason?: string;
  /** Whether a working ffmpeg was found; without it only WAV is read. */
  readonly ffmpeg: { readonly available: boolean; readonly version?: string; readonly hint?: string };
}

/** The wired parts that `http` and `cli` work with. */
export interface Services {
  readonly config: Config;
  readonly logger: Logger;
  readonly models: ModelRegistry;
  readonly transcriber: Transcriber;
  readonly keys: KeyRing;
  readonly accounts: Accounts;
  readonly metrics: Metrics;
  readonly admission: Admission;
  readonly scratch: ScratchSpace;
  readiness(): Readiness;
  /** Refuses new work and makes `readiness` answer "draining"; running work goes on. */
  drain(): void;
  /** Ends children and removes temporary files. Running work is aborted. */
  close(): Promise<void>;
}

export interface CreateServicesOptions {
  readonly logger?: Logger;
  /** Return before the models are loaded: `readiness` tells when they are. Default false. */
  readonly background?: boolean;
  /** The inference process's module; tests give a scripted one. */
  readonly engineEntry?: string;
  /** `file` keeps keys and usage in the data folder, for one server alone; `memory` forgets them. Default `file`. */
  readonly store?: 'file' | 'memory';
}

/** Chunks of one request in the house for each inference process: enough to fill its batch while others are being assembled. */
const LOOK_AHEAD_PER_PROCESS = 8;

/** Wires the parts from a configuration and starts them. Throws ConfigError for what the operator must mend. */
export async function createServices(config: Config, options: CreateServicesOptions = {}): Promise<Services> {
  const logger = options.logger ?? createLogger(config.logLevel);
  const modelsDir = findModels(config);
  const models = createModelRegistry(BUNDLED_MODELS, config.aliases);
  models.resolve(config.defaultModel);
  const metrics = createMetrics();
  const admission = createAdmission({
    limit: config.maxQueue,
    arriving: config.maxUploads,
    perKey: config.maxRequestsPerKey,
  });
  const [scratch, ffmpeg] = await Promise.all([
    openScratch(config),
    probeFfmpeg(config.ffmpeg),
    warmUpResampler(),
  ]);
  reportFfmpeg(logger, ffmpeg);
  const accounts = await openAccounts(config, logger, options.store ?? 'file').catch(
    async (error: unknown) => {
      await scratch.close();
      throw error;
    },
  );
  const scheduler = new Scheduler({
    setup: {
      cacheDirectory: join(config.dataDir, 'graphs'),
      vadPath: join(modelsDir, CATALOG.vad.files[0]?.name ?? ''),
      models: BUNDLED_MODELS.map(({ id, engine }) => ({ id, engine, directory: join(modelsDir, id) })),
    },
    processes: config.engineProcesses,
    express: config.engineExpress,
    idleMs: config.engineIdleSeconds === 0 ? undefined : config.engineIdleSeconds * 1000,
    ...(options.engineEntry === undefined ? {} : { entry: options.engineEntry }),
    timeoutMs: config.engineTimeoutSeconds * 1000,
    onBuild: (name) => logger.info({ name }, 'first start: building a graph from the model, once'),
    onProcessLost: (event) => {
      metrics.processesLost.inc();
      logger.error(event, 'an inference process ended and is replaced');
    },
    onTaskEnd: ({ kind, outcome, batch }) => {
      metrics.tasks.inc({ kind, outcome });
      if (kind === 'transcribe' && batch > 0) metrics.batchSize.observe(batch);
    },
  });
  const transcriber = createLocalTranscriber({
    models,
    scheduler,
    scratch,
    ffmpeg,
    maximumSeconds: config.maxAudioSeconds,
    lookAhead: config.engineProcesses * LOOK_AHEAD_PER_PROCESS,
    maximumQueueSeconds: config.maxQueueSeconds,
  });
  let loaded = false;
  let draining = false;
  const started = scheduler.started().then(() => {
    loaded = true;
  });
  if (options.background !== true) await started;
  const readiness = (): Readiness => ({
    ...readinessOf({ loaded, draining, healthy: scheduler.healthy }, accounts, config),
    ffmpeg,
  });
  metrics.watch({
    requestsInside: () => admission.size,
    tasksWaiting: () => scheduler.waiting,
    tasksRunning: () => scheduler.running,
    inferenceProcessIds: () => scheduler.processIds,
    unwrittenUsage: () => accounts.usage.unwritten,
    ready: () => readiness().ready,
  });
  return {
    config,
    logger,
    models,
    transcriber,
    keys: accounts.keys,
    accounts,
    metrics,
    admission,
    scratch,
    readiness,
    drain() {
      draining = true;
      admission.close();
    },
    async close() {
      draining = true;
      admission.close();
      await scheduler.close();
      await scratch.close();
      accounts.close();
    },
  };
}

function readinessOf(
  state: { loaded: boolean; draining: boolean; healthy: boolean },
  accounts: Accounts,
  { dataDir, diskReserveBytes }: Config,
): { ready: boolean; reason?: string } {
  if (state.draining) return { ready: false, reason: 'draining: the server is shutting down' };
  if (!state.loaded) return { ready: false, reason: 'loading: the models are not loaded yet' };
  if (!state.healthy) return { ready: false, reason: 'engine: the inference processes keep ending' };
  const trouble = storeTrouble(accounts) ?? diskTrouble(dataDir, diskReserveBytes);
  return trouble === undefined ? { ready: true } : { ready: false, reason: trouble };
}

function storeTrouble({ store, usage }: Accounts): string | undefined {
  try {
    store.check();
  } catch {
    return 'store: keys and usage cannot be read or written';
  }
  return usage.unwritten === 0 ? undefined : 'store: usage waits to be written';
}

function diskTrouble(dataDir: string, reserveBytes: number): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(dataDir);
    if (bavail * bsize >= reserveBytes) return undefined;
    return `disk: less than ${reserveBytes} bytes are free for uploads (STENO_DISK_RESERVE_BYTES)`;
  } catch {
    return 'disk: the data folder cannot be reached';
  }
}

/** What applies to keys without limits of their own. */
export function limitsForAll(config: Config): KeyLimits {
  return {
    requestsPerMinute: config.rateLimitPerMinute,
    audioSecondsPerDay: config.quotaSecondsPerDay,
    audioSecondsPerMonth: config.quotaSecondsPerMonth,
  };
}

async function openAccounts(config: Config, logger: Logger, kind: 'file' | 'memory'): Promise<Accounts> {
  const configuredKeys = [...config.apiKeys, ...(await readKeysFile(config.apiKeysFile))];
  const shared = {
    configuredKeys,
    limits: limitsForAll(config),
    onUnwritten: (error: unknown, rows: number) =>
      logger.error({ err: error, rows }, 'usage cannot be written now and is tried again'),
  };
  if (kind === 'memory')
    return createAccounts({ ...shared, store: createMemoryStore(), pepper: randomBytes(32) });
  const lock = await lockDataFolder(config.dataDir);
  try {
    const accounts = createAccounts({ ...shared, ...(await openDataStore(config.dataDir)) });
    return {
      ...accounts,
      close() {
        accounts.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The folder `scripts/copy-assets.ts` fills: in the package beside dist/ (and beside src/ in development). */
function findModels(config: Config): string {
  const directory =
    config.modelsDir ?? join(dirname(fileURLToPath(import.meta.url)), '..', 'models', 'bundled');
  for (const model of BUNDLED_MODELS)
    for (const file of model.files)
      if (!existsSync(join(directory, model.id, file.name)))
        throw new ConfigError(
          `The model file ${model.id}/${file.name} is missing in ${directory}. Run "npm run build", or set STENO_MODELS_DIR.`,
        );
  return directory;
}

async function readKeysFile(path: string | undefined): Promise<string[]> {
  if (path === undefined) return [];
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new ConfigError(`The key file of STENO_API_KEYS_FILE cannot be read: ${error.message}`);
  });
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
}

async function openScratch({ dataDir, diskReserveBytes }: Config): Promise<ScratchSpace> {
  try {
    return await openScratchSpace(dataDir, {
      bytes: diskReserveBytes,
      error: () => new DiskReserveError(diskReserveBytes),
    });
  } catch (error) {
    throw new ConfigError(`The data folder of STENO_DATA_DIR cannot be written: ${(error as Error).message}`);
  }
}

function reportFfmpeg(logger: Logger, ffmpeg: Ffmpeg): void {
  if (ffmpeg.available) logger.info({ version: ffmpeg.version }, 'ffmpeg found');
  else logger.warn({ hint: ffmpeg.hint }, 'no working ffmpeg: only WAV can be read');
}
