import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QuotaExceededError, StoreError } from '../../src/errors.ts';
import { createServices } from '../../src/services.ts';
import { openDataStore, STORE_FILE } from '../../src/store/sqlite/open-store.ts';
import { createUsageMeter } from '../../src/store/usage-meter.ts';
import { buildCli, type RunningCli, runCli, startCli, temporaryFolder } from '../support/run-cli.ts';
import { startTestServices } from '../support/services.ts';
import { startStubServer } from './support/running-server.ts';

const folder = temporaryFolder();
const dataDir = join(folder.path, 'data');
const environment = { STENO_DATA_DIR: dataDir, STENO_ENGINE_PROCESSES: '1', STENO_LOG_LEVEL: 'error' };
let server: RunningCli;
let url = '';

beforeAll(async () => {
  buildCli();
  server = startCli(['serve', '--port', '0'], { environment });
  [, url = ''] = await server.stderrHas(/listens on (\S+)/);
});

afterAll(async () => {
  server.child.kill('SIGTERM');
  await server.ended;
  folder.remove();
});

async function readyz(): Promise<{ status: number; reason: string }> {
  const response = await fetch(`${url}/readyz`);
  const { reason = '' } = (await response.json()) as { reason?: string };
  return { status: response.status, reason };
}

describe('one data folder', () => {
  it('E21 lets no second server in, and says which one is there', async () => {
    const second = await runCli(['serve', '--port', '0'], { environment });
    expect(second.code).toBe(2);
    expect(second.stderr).toContain(
      `Another server (process ${server.child.pid}) uses the data folder ${dataDir}`,
    );
    expect(second.stderr).toContain('STENO_DATA_DIR');
    expect((await readyz()).status).toBe(200);
  });

  it('R21 a key made while the server runs closes it, and a revoked one is refused within a second', async () => {
    expect((await fetch(`${url}/v1/models`)).status).toBe(200);
    const made = await runCli(['keys', 'create', '--admin'], { environment });
    const headers = { authorization: `Bearer ${made.stdout.trim()}` };
    expect((await fetch(`${url}/v1/models`)).status).toBe(401);
    expect((await fetch(`${url}/v1/models`, { headers })).status).toBe(200);
    const metrics = await (await fetch(`${url}/metrics`, { headers })).text();
    expect(metrics).toMatch(/^steno_process_rss_bytes\{process="inference-0"\} \d{8,}$/m);
    const [id = ''] = /key_\w+/.exec(made.stderr) ?? [];
    await runCli(['keys', 'revoke', id], { environment });
    const startMs = performance.now();
    expect((await fetch(`${url}/v1/models`, { headers })).status).toBe(401);
    expect(performance.now() - startMs).toBeLessThan(1000);
  });

  it('kill -9 leaves a folder that the next server takes', async () => {
    const other = { ...environment, STENO_DATA_DIR: join(folder.path, 'killed') };
    const killed = startCli(['serve', '--port', '0'], { environment: other });
    await killed.stderrHas(/listens on/);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const next = startCli(['serve', '--port', '0'], { environment: other });
    await next.stderrHas(/listens on/);
    next.child.kill('SIGTERM');
    expect((await next.ended).code).toBe(0);
  });

  it('a damaged store stops the start in one clear line', async () => {
    const damaged = join(folder.path, 'damaged');
    expect((await runCli(['keys', 'list'], { environment: { STENO_DATA_DIR: damaged } })).code).toBe(0);
    writeFileSync(join(damaged, STORE_FILE), 'no database '.repeat(1000));
    for (const args of [['serve', '--port', '0'], ['keys', 'list'], ['usage']]) {
      const ended = await runCli(args, { environment: { ...environment, STENO_DATA_DIR: damaged } });
      expect(ended.code).toBe(2);
      expect(ended.stderr).toMatch(/^steno: The store \S+ cannot be used: it is damaged.*\n$/);
    }
  });
});

describe('R17 a full disk', () => {
  const disk = join(folder.path, 'disk');
  const canMount = mountSmallDisk(disk);

  // A closed connection keeps its files until the garbage collector comes by; hence lazy.
  afterAll(() => {
    if (canMount) execFileSync('umount', ['--lazy', disk]);
  });

  it.skipIf(!canMount)(
    'loses no usage: rows wait, count already, and are written when there is space',
    async () => {
      const { store } = await openDataStore(disk);
      const meter = createUsageMeter({ store });
      const account = { keyId: 'key_a', limits: { audioSecondsPerDay: 100 } };
      const use = async (requestId: string): Promise<void> => {
        const reservation = meter.reserve(account);
        reservation.grow(1);
        const row = { requestId, model: 'm', format: 'json', audioMs: 1000, processingMs: 1 };
        await reservation.settle({ ...row, status: 'completed' });
      };
      for (let index = 0; index < 10; index += 1) await use(`before-${index}`);
      expect(() => writeFileSync(join(disk, 'ballast'), Buffer.alloc(4 << 20))).toThrow('ENOSPC');
      for (let index = 0; index < 90; index += 1) await use(`full-${index}`);
      expect(meter.unwritten).toBeGreaterThan(50);
      expect(() => store.check()).toThrow(StoreError);
      await expect(use('one more')).rejects.toThrow(QuotaExceededError);
      rmSync(join(disk, 'ballast'));
      await expect.poll(() => meter.unwritten).toBe(0);
      expect(() => store.check()).not.toThrow();
      meter.close();
      store.close();
      const again = await openDataStore(disk);
      const [day] = again.store.sumUsage({ fromDay: '2000-01-01', toDay: '2999-01-01' });
      expect(day).toMatchObject({ requests: 100, audioMs: 100_000 });
      again.store.close();
    },
  );
});

/** Needs root and the right to mount. */
function mountSmallDisk(path: string): boolean {
  mkdirSync(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('R12 /readyz', () => {
  it('names a store that is gone, too little disk space, and loading models', async () => {
    const running = await startTestServices({ engineProcesses: 1 });
    const { services, dataDir: folderOfTest } = running;
    expect(services.readiness().ready).toBe(true);
    rmSync(join(folderOfTest, STORE_FILE));
    expect(services.readiness()).toMatchObject({ ready: false, reason: expect.stringMatching(/^store: /) });
    await running[Symbol.asyncDispose]();

    await using tight = await startTestServices({ engineProcesses: 1, diskReserveBytes: 2 ** 50 });
    expect(tight.services.readiness()).toMatchObject({
      ready: false,
      reason: expect.stringContaining('STENO_DISK_RESERVE_BYTES'),
    });

    const early = await createServices(
      { ...tight.services.config, dataDir: join(folder.path, 'early') },
      { background: true, logger: tight.services.logger },
    );
    expect(early.readiness()).toMatchObject({ ready: false, reason: expect.stringMatching(/^loading: /) });
    await early.close();
  });
});

describe('T25 usage', () => {
  it('older than the setting is gone after the start; what quotas are counted from stays', async () => {
    const old = join(folder.path, 'old');
    const days = [0, 39, 41, 500].map((ago) => Date.now() - ago * 86_400_000);
    const { store } = await openDataStore(old);
    for (const atMs of days)
      void store.addUsage({
        requestId: `req_${atMs}`,
        keyId: 'key_0123456789ab',
        model: 'moonshine-tiny',
        format: 'json',
        audioMs: 1000,
        processingMs: 1,
        status: 'completed',
        atMs,
      });
    const everything = { fromDay: '2000-01-01', toDay: '2100-01-01' };
    expect(store.listUsage(everything, 10)).toHaveLength(4);
    const settings = { STENO_USAGE_RETENTION_DAYS: '40' };
    const stub = await startStubServer({ dataDir: old, settings });
    try {
      await expect.poll(() => store.listUsage(everything, 10).length).toBe(2);
      expect(store.sumUsage(everything)).toHaveLength(2);
    } finally {
      await stub.stop();
      store.close();
    }
  });
});
