import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { NO_FFMPEG } from '../../src/audio/probe-ffmpeg.ts';
import { type Config, configSchema } from '../../src/config.ts';
import { capabilitiesOf } from '../../src/engines/capabilities.ts';
import { startServer } from '../../src/http/server.ts';
import { createMetrics } from '../../src/metrics.ts';
import { BUNDLED_MODELS, CATALOG, type ModelEntry } from '../../src/models/catalog.ts';
import { createModelLibrary, type ModelLibraryOptions } from '../../src/models/library.ts';
import { createModelListing } from '../../src/models/listing.ts';
import { createModelRegistry } from '../../src/models/registry.ts';
import { createAdmission } from '../../src/scheduler/admission.ts';
import { createModelPools } from '../../src/scheduler/model-pools.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { limitsForAll } from '../../src/services/open-accounts.ts';
import { openGateway } from '../../src/services/open-gateway.ts';
import type { Services } from '../../src/services.ts';
import { type Accounts, createAccounts } from '../../src/store/accounts.ts';
import { createMemoryStore } from '../../src/store/memory-store.ts';
import { openDataStore } from '../../src/store/sqlite/open-store.ts';
import { createAudioMeter } from '../../src/upstream/audio-meter.ts';
import { openScratchSpace } from '../../src/util/scratch-space.ts';
import { createFakeTranscriber, type FakeTranscriber } from './fake-transcriber.ts';

export interface TestServerOptions {
  /** `real` runs the whole product, engine and ffmpeg included; default `fake`. */
  readonly transcriber?: 'fake' | 'real';
  readonly config?: Partial<Config>;
  /** Where keys and usage are; default `memory`. */
  readonly store?: 'memory' | 'file';
  /** Length of the rate windows instead of a minute. */
  readonly windowSeconds?: number;
  /** Receives log lines; without it nothing is logged. */
  readonly log?: (line: string) => void;
  /** Where the keys of upstreams are. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Another catalogue to pull from, and a hub, for the server with the fake transcriber. */
  readonly library?: Partial<ModelLibraryOptions>;
}

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly config: Config;
  readonly services: Services;
  /** The fake behind the server; throws when the server is a real one. */
  readonly fake: FakeTranscriber;
  /** Files of uploads that are on disk now. */
  scratchFiles(): Promise<string[]>;
  close(): Promise<void>;
}

/** The key of tests that configure one. */
export const TEST_KEY = 'sk-test-0123456789abcdef';

/** A server on a free loopback port with a data folder of its own. `close` ends it and removes the folder. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'steno-test-'));
  const config: Config = Object.freeze({
    ...configSchema.parse({ dataDir, port: 0, graceSeconds: 5, logLevel: 'info' }),
    ...options.config,
  });
  const logger =
    options.log === undefined ? pino({ level: 'silent' }) : pino({ level: 'debug' }, { write: options.log });
  const fake = options.transcriber === 'real' ? undefined : createFakeTranscriber();
  const services =
    fake === undefined
      ? await realServices(config, logger, options.environment ?? {})
      : await fakeServices(config, logger, fake, options);
  const server = await startServer(services);
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    config,
    services,
    get fake() {
      if (fake === undefined) throw new Error('this server has no fake transcriber');
      return fake;
    },
    scratchFiles: () => listUploads(dataDir),
    async close() {
      await server.close();
      await services.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function realServices(
  config: Config,
  logger: Services['logger'],
  environment: Readonly<Record<string, string>>,
): Promise<Services> {
  const { createServices } = await import('../../src/services.ts');
  return createServices(config, { logger, environment });
}

/** A second model whose id has a slash, as hub models do. */
const SLASHED_MODEL: ModelEntry = {
  ...(CATALOG.models[0] as ModelEntry),
  id: 'acme/tiny-speech',
  aliases: [],
};

async function fakeServices(
  config: Config,
  logger: Services['logger'],
  transcriber: FakeTranscriber,
  options: TestServerOptions,
): Promise<Services> {
  const accounts = await openTestAccounts(config, options);
  const metrics = createMetrics();
  metrics.watch({
    requestsInside: () => admission.size,
    tasksWaiting: () => 0,
    tasksRunning: () => 0,
    inferenceProcessIds: () => [],
    unwrittenUsage: () => accounts.usage.unwritten,
    ready: () => !draining,
    upstreams: () => gateway.upstreams,
  });
  const scratch = await openScratchSpace(config.dataDir);
  const library = createModelLibrary({
    models: CATALOG.models,
    bundledDir: fileURLToPath(new URL('../../models/bundled', import.meta.url)),
    modelsDir: join(config.dataDir, 'models'),
    ...options.library,
  });
  const models = createModelRegistry({
    models: () => [...library.models(), SLASHED_MODEL],
    aliases: config.aliases,
    servedElsewhere: Object.keys(config.routes),
    isInstalled: (id) =>
      id === SLASHED_MODEL.id || BUNDLED_MODELS.some((model) => model.id === id) || library.isInstalled(id),
  });
  const gateway = openGateway(config, {
    models,
    store: () => accounts.store,
    environment: options.environment ?? {},
  });
  const admission = createAdmission({ limit: config.maxQueue, arriveWhenFull: gateway.leadsElsewhere });
  let draining = false;
  // Neither has work to do here: the fake transcriber needs no model.
  const base = new Scheduler({
    setup: { cacheDirectory: '', models: [] },
    processes: 0,
    timeoutMs: 1000,
  });
  const pools = createModelPools({
    base,
    baseModels: models.list().map(({ model }) => model.id),
    directoryOf: () => undefined,
    cacheDirectory: '',
    processes: 1,
    timeoutMs: 1000,
    loadSeconds: 1,
    budgetBytes: 0,
    keepAliveSecondsOf: () => 0,
  });
  return {
    config,
    logger,
    models,
    library,
    pools,
    modelListing: createModelListing({
      registry: models,
      capabilitiesOf,
      loadState: () => ({ state: 'loaded' }),
      isDownloading: (id) => library.presenceOf(id) === 'downloading',
      installedBytes: (id) => library.get(id)?.sizeBytes,
      routes: gateway.list,
    }),
    transcriber,
    gateway,
    audioMeter: createAudioMeter({ scratch, ffmpeg: NO_FFMPEG, concurrency: 2 }),
    keys: accounts.keys,
    accounts,
    metrics,
    admission,
    scratch,
    readiness: () => ({
      ready: !draining,
      ...(draining ? { reason: 'draining' } : {}),
      ffmpeg: { available: true, version: 'test' },
    }),
    drain() {
      draining = true;
      admission.close();
    },
    async close() {
      await Promise.all([gateway.close(), library.close(), pools.close()]);
      await scratch.close();
      accounts.close();
    },
  };
}

async function openTestAccounts(config: Config, options: TestServerOptions): Promise<Accounts> {
  const place =
    options.store === 'file'
      ? await openDataStore(config.dataDir)
      : { store: createMemoryStore(), pepper: randomBytes(32) };
  const window = options.windowSeconds === undefined ? {} : { windowSeconds: options.windowSeconds };
  return createAccounts({
    ...place,
    ...window,
    configuredKeys: config.apiKeys,
    limits: limitsForAll(config),
  });
}

async function listUploads(dataDir: string): Promise<string[]> {
  const entries = await readdir(join(dataDir, 'scratch'), { recursive: true });
  return entries.filter((entry) => entry.includes('job-'));
}
