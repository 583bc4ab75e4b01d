import type { Logger } from 'pino';
import type { Ffmpeg } from './audio/ffmpeg.ts';
import { probeFfmpeg } from './audio/probe-ffmpeg.ts';
import { warmUpResampler } from './audio/resample.ts';
import type { Config } from './config.ts';
import { capabilitiesOf } from './engines/capabilities.ts';
import { ConfigError, DiskReserveError } from './errors.ts';
import { createLogger } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { CATALOG, type ModelEntry } from './models/catalog.ts';
import type { ModelLibrary } from './models/library.ts';
import { createModelListing, type ModelListing } from './models/listing.ts';
import { createModelRegistry, type ModelRegistry } from './models/registry.ts';
import { type Admission, createAdmission } from './scheduler/admission.ts';
import type { ModelPools } from './scheduler/model-pools.ts';
import { findBundledModels } from './services/find-bundled-models.ts';
import { openAccounts } from './services/open-accounts.ts';
import { openGateway } from './services/open-gateway.ts';
import { type Inference, openInference } from './services/open-inference.ts';
import { openModelLibrary } from './services/open-library.ts';
import { type Readiness, readReadiness } from './services/readiness.ts';
import type { Accounts } from './store/accounts.ts';
import type { KeyRing } from './store/key-ring.ts';
import { createLocalTranscriber } from './transcribe/local-transcriber.ts';
import type { Transcriber } from './transcribe/transcriber.ts';
import { type AudioMeter, createAudioMeter } from './upstream/audio-meter.ts';
import type { Gateway } from './upstream/gateway.ts';
import { openScratchSpace, type ScratchSpace } from './util/scratch-space.ts';

/** The wired parts that `http` and `cli` work with. */
export interface Services {
  readonly config: Config;
  readonly logger: Logger;
  readonly models: ModelRegistry;
  /** The files of models on this machine. */
  readonly library: ModelLibrary;
  readonly modelListing: ModelListing;
  /** Which models are in memory. */
  readonly pools: ModelPools;
  readonly transcriber: Transcriber;
  /** Models that are served elsewhere. */
  readonly gateway: Gateway;
  /** Measures recordings that are sent elsewhere. */
  readonly audioMeter: AudioMeter;
  readonly keys: KeyRing;
  readonly accounts: Accounts;
  readonly metrics: Metrics;
  readonly admission: Admission;
  readonly scratch: ScratchSpace;
  readiness(): Readiness;
  /** Refuses new work and what has not begun yet, and makes `readiness` answer "draining"; running work goes on. */
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
  /** Where the keys of upstreams, the address of the hub and the proxies are. Default the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Chunks of one request in the house for each inference process: enough to fill its batch while others are being assembled. */
const LOOK_AHEAD_PER_PROCESS = 8;

/** Wires the parts from a configuration and starts them. Throws ConfigError for what the operator must mend. */
export async function createServices(config: Config, options: CreateServicesOptions = {}): Promise<Services> {
  const logger = options.logger ?? createLogger(config.logLevel);
  const bundledDir = findBundledModels(config.modelsDir);
  const environment = options.environment ?? process.env;
  const library = openModelLibrary(config, {
    bundledDir,
    environment,
    release: (id) => inference.pools.unload(id),
  });
  const models = createModelRegistry({
    models: () => library.models(),
    lasting: CATALOG.models,
    isInstalled: library.isInstalled,
    aliases: config.aliases,
    servedElsewhere: Object.keys(config.routes),
  });
  const gateway = openGateway(config, {
    models,
    store: () => accounts.store,
    environment,
  });
  if (gateway.route(config.defaultModel) === undefined) models.resolve(config.defaultModel);
  const preload = modelsToPreload(config, models);
  const metrics = createMetrics();
  const admission = createAdmission({
    limit: config.maxQueue,
    arriving: config.maxUploads,
    perKey: config.maxRequestsPerKey,
    arriveWhenFull: gateway.leadsElsewhere,
  });
  const [scratch, ffmpeg] = await Promise.all([
    openScratch(config),
    probeFfmpeg(config.ffmpeg, {
      firstUser: config.ffmpegFirstUserId === 0 ? undefined : config.ffmpegFirstUserId,
      onUserRefused: (error) =>
        logger.warn(
          { code: (error as NodeJS.ErrnoException).code },
          'the file system of the data folder does not let recordings have owners of their own: ffmpeg runs as root',
        ),
    }),
    warmUpResampler(),
  ]);
  reportFfmpeg(logger, ffmpeg);
  const accounts = await openAccounts(config, logger, options.store ?? 'file').catch(
    async (error: unknown) => {
      await scratch.close();
      throw error;
    },
  );
  for (const { path, code } of library.unreadable())
    logger.warn({ path, code }, 'models there cannot be read by this user and are not seen');
  // One server a data folder, and this one has loaded nothing yet.
  if (options.store !== 'memory')
    void library.removeOldVersions().catch((error: unknown) => {
      logger.warn({ err: error }, 'old versions of models could not be deleted');
    });
  const inference: Inference = openInference({
    config,
    logger,
    metrics,
    bundledDir,
    directoryOf: library.directoryOf,
    preload,
    entry: options.engineEntry,
  });
  const { base, pools } = inference;
  const transcriber = createLocalTranscriber({
    models,
    scheduler: base,
    pools,
    scratch,
    ffmpeg,
    maximumSeconds: config.maxAudioSeconds,
    lookAhead: config.engineProcesses * LOOK_AHEAD_PER_PROCESS,
    maximumQueueSeconds: config.maxQueueSeconds,
  });
  let isStarted = false;
  let isDraining = false;
  const started = inference.started.then(() => {
    isStarted = true;
  });
  if (options.background !== true) await started;
  const readiness = (): Readiness =>
    readReadiness({
      config,
      ffmpeg,
      accounts,
      isDraining: () => isDraining,
      isStarted: () => isStarted,
      isHealthy: () => base.healthy,
    });
  metrics.watch({
    requestsInside: () => admission.size,
    tasksWaiting: () => pools.waiting,
    tasksRunning: () => pools.running,
    inferenceProcessIds: () => pools.processIds,
    modelsLoaded: () => loadedFigures(library, pools),
    unwrittenUsage: () => accounts.usage.unwritten,
    ready: () => readiness().ready,
    upstreams: () => gateway.upstreams,
  });
  return {
    config,
    logger,
    models,
    library,
    modelListing: createModelListing({
      registry: models,
      capabilitiesOf,
      loadState: pools.loadStateOf,
      isDownloading: (id) => library.presenceOf(id) === 'downloading',
      installedBytes: (id) => library.get(id)?.sizeBytes,
      routes: gateway.list,
    }),
    pools,
    transcriber,
    gateway,
    audioMeter: createAudioMeter({ scratch, ffmpeg, concurrency: config.engineProcesses }),
    keys: accounts.keys,
    accounts,
    metrics,
    admission,
    scratch,
    readiness,
    drain() {
      isDraining = true;
      admission.close();
      inference.pools.refuseWaiting();
    },
    async close() {
      isDraining = true;
      admission.close();
      await library.close();
      await Promise.all([inference.close(), gateway.close()]);
      await scratch.close();
      accounts.close();
    },
  };
}

/** Throws ConfigError for a name that no model has; what is not installed is said when it is loaded. */
function modelsToPreload({ preload }: Config, models: ModelRegistry): ModelEntry[] {
  return preload.map((name) => {
    const model = models.known(name);
    if (model === undefined)
      throw new ConfigError(
        `STENO_PRELOAD names the model ${name}, which is not known. "steno models list --all" shows those that are.`,
      );
    return model;
  });
}

function loadedFigures(library: ModelLibrary, pools: ModelPools): Record<string, 0 | 1> {
  const ids = library.installed().map(({ entry }) => entry.id);
  return Object.fromEntries(ids.map((id) => [id, pools.stateOf(id).state === 'loaded' ? 1 : 0]));
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
  if (ffmpeg.available)
    logger.info({ version: ffmpeg.version, guards: Object.keys(ffmpeg.guards) }, 'ffmpeg found');
  else logger.warn({ hint: ffmpeg.hint }, 'no working ffmpeg: only WAV can be read');
}
