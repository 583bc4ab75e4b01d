import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type Config, configSchema } from '../../src/config.ts';
import type { AppOptions } from '../../src/http/app.ts';
import { startServer } from '../../src/http/server.ts';
import { CATALOG, createModelRegistry, type ModelEntry } from '../../src/models/catalog.ts';
import { createAdmission } from '../../src/scheduler/admission.ts';
import type { Services } from '../../src/services.ts';
import { createKeyRing } from '../../src/store/key-ring.ts';
import { openScratchSpace } from '../../src/util/scratch-space.ts';
import { createFakeTranscriber, type FakeTranscriber } from './fake-transcriber.ts';

export interface TestServerOptions {
  /** `real` runs the whole product, engine and ffmpeg included; default `fake`. */
  readonly transcriber?: 'fake' | 'real';
  readonly config?: Partial<Config>;
  readonly app?: AppOptions;
  /** Receives log lines; without it nothing is logged. */
  readonly log?: (line: string) => void;
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
    fake === undefined ? await realServices(config, logger) : await fakeServices(config, logger, fake);
  const server = await startServer(services, options.app);
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

async function realServices(config: Config, logger: Services['logger']): Promise<Services> {
  const { createServices } = await import('../../src/services.ts');
  return createServices(config, { logger });
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
): Promise<Services> {
  const admission = createAdmission({ limit: config.maxQueue });
  const scratch = await openScratchSpace(config.dataDir);
  let draining = false;
  return {
    config,
    logger,
    models: createModelRegistry([...CATALOG.models, SLASHED_MODEL], config.aliases),
    transcriber,
    keys: createKeyRing(config.apiKeys),
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
    close: () => scratch.close(),
  };
}

async function listUploads(dataDir: string): Promise<string[]> {
  const entries = await readdir(join(dataDir, 'scratch'), { recursive: true });
  return entries.filter((entry) => entry.includes('job-'));
}
