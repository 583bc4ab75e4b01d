import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { createLogger } from '../../src/logger.ts';
import { createServices } from '../../src/services.ts';
import { createStoredKey } from '../../src/store/api-key.ts';
import { openDataStore } from '../../src/store/sqlite/open-store.ts';
import { cpuSeconds, hasProcessTable, isAtRest } from '../faults/support/process-table.ts';
import { fixturePath } from '../support/audio-fixtures.ts';
import { WHISPER_SAYS, writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { type InstallOptions, installSecondModel } from '../support/install-model.ts';
import { expectEnvelope, filePart, postForm } from '../support/multipart.ts';
import {
  startTestServer,
  TEST_KEY,
  type TestServer,
  type TestServerOptions,
} from '../support/test-server.ts';

const SECOND = 'acme/second';
/** For what passes: often. */
const LOOK = { timeout: 30_000, interval: 5 };

let server: TestServer;
let isClosed = false;

afterEach(async () => {
  if (!isClosed) await server.close();
  isClosed = false;
});

/** A real server with one inference process a model, and further models beside the package's. */
async function start(
  config: NonNullable<TestServerOptions['config']> = {},
  models: Readonly<Record<string, InstallOptions>> = { [SECOND]: {} },
): Promise<void> {
  server = await startTestServer({
    transcriber: 'real',
    config: { engineProcesses: 1, engineExpress: false, ...config },
  });
  for (const [id, options] of Object.entries(models))
    await installSecondModel(server.config.dataDir, id, options);
}

async function transcribe(model: string) {
  return postForm(server.url, {
    fields: { model },
    file: filePart(await readFile(fixturePath('jfk.wav'))),
  });
}

async function stateOf(model: string): Promise<{ state: string; state_reason?: string }> {
  const response = await fetch(`${server.url}/v1/models/${model}`);
  return (await response.json()) as { state: string; state_reason?: string };
}

async function metric(line: RegExp): Promise<string | undefined> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return line.exec(text)?.[1];
}

/** The one beside the base process; throws when there is none. */
function modelProcess(): number {
  const [, pid] = server.services.pools.processIds;
  if (pid === undefined) throw new Error('the model has no process');
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds that the request waited for its model to be loaded. */
function loadTime({ headers }: Awaited<ReturnType<typeof transcribe>>): number {
  return Number(/\bload;dur=([\d.]+)/.exec(headers.get('x-steno-timing') ?? '')?.[1]);
}

function post(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(server.url + path, { method: 'POST', headers });
}

describe('models in memory', () => {
  it('are loaded by their first request, say so, and stay for the next', async () => {
    await start();
    expect(await stateOf(SECOND)).toMatchObject({ state: 'ready' });
    expect(await stateOf('whisper-1')).toMatchObject({ state: 'loaded' });
    const first = transcribe(SECOND);
    await vi.waitFor(async () => expect(await stateOf(SECOND)).toMatchObject({ state: 'loading' }), LOOK);
    const answer = await first;
    expect(answer.text).toContain('my fellow Americans');
    const loadMs = loadTime(answer);
    expect(loadMs).toBeGreaterThan(10);
    expect(await stateOf(SECOND)).toMatchObject({ state: 'loaded' });
    const pid = modelProcess();
    const second = await transcribe(SECOND);
    // It asks for the model all the same; that takes no time but the machine's.
    expect(loadTime(second)).toBeLessThan(Math.max(10, loadMs / 4));
    expect(modelProcess()).toBe(pid);
    expect(await metric(/steno_model_loaded\{model="acme\/second"\} (\d)/)).toBe('1');
    expect(await metric(/steno_model_loads_total\{model="acme\/second",outcome="loaded"\} (\d)/)).toBe('1');
  });

  it('share one load among all who ask first', async () => {
    await start();
    const answers = await Promise.all([1, 2, 3, 4].map(() => transcribe(SECOND)));
    for (const { status, text } of answers) expect({ status, text }).toMatchObject({ status: 200 });
    expect(await metric(/steno_model_loads_total\{model="acme\/second",outcome="loaded"\} (\d)/)).toBe('1');
  });

  it('give their memory back when idle: the process ends', async () => {
    await start({ keepAliveSeconds: 2 });
    await transcribe(SECOND);
    const pid = modelProcess();
    expect(isAlive(pid)).toBe(true);
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 30_000);
    await vi.waitFor(async () => expect(await stateOf(SECOND)).toMatchObject({ state: 'ready' }), 30_000);
    expect(await metric(/steno_model_unloads_total\{model="acme\/second",reason="idle"\} (\d)/)).toBe('1');
    expect(await metric(/steno_model_loaded\{model="acme\/second"\} (\d)/)).toBe('0');
    expect((await transcribe(SECOND)).status).toBe(200);
  });

  it('make room for each other within the budget, and refuse what can never fit', async () => {
    await start(
      { modelMemoryBytes: 150, maxQueueSeconds: 4 },
      { a: { memoryBytes: 100 }, b: { memoryBytes: 100 }, huge: { memoryBytes: 151 } },
    );
    await transcribe('a');
    const pid = modelProcess();
    expect((await transcribe('b')).status).toBe(200);
    expect(isAlive(pid)).toBe(false);
    expect(await stateOf('a')).toMatchObject({ state: 'ready' });
    expect(await metric(/steno_model_unloads_total\{model="a",reason="memory"\} (\d)/)).toBe('1');
    const refused = await transcribe('huge');
    expectEnvelope(refused, { status: 400, code: 'model_too_large', param: 'model' });
    expect(refused.text).toContain('STENO_MODEL_MEMORY_BYTES');
    // b stays in use as long as the lease is held.
    const model = server.services.models.resolve('b');
    const lease = await server.services.pools.lease(model);
    const waited = await transcribe('a');
    expectEnvelope(waited, { status: 503, code: 'model_memory_timeout' });
    expect(Number(waited.headers.get('retry-after'))).toBeGreaterThan(0);
    lease.release();
    expect((await transcribe('a')).status).toBe(200);
  });

  it('that are damaged fail their own requests only, with the reason', async () => {
    await start({}, { broken: { damaged: true } });
    const failed = await transcribe('broken');
    expectEnvelope(failed, { status: 503, code: 'model_load_failed', param: 'model' });
    expect(failed.text).toContain("'broken' could not be loaded: ");
    expect(failed.text).not.toContain(server.config.dataDir);
    expect(Number(failed.headers.get('retry-after'))).toBeGreaterThan(0);
    const state = await stateOf('broken');
    expect(state.state).toBe('failed');
    expect(state.state_reason).toBeTruthy();
    expect((await transcribe('whisper-1')).status).toBe(200);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    expect(await metric(/steno_model_loads_total\{model="broken",outcome="failed"\} (\d)/)).toBe('1');
  });

  it('that take too long to load are answered with when to try again', async () => {
    await start({ modelLoadSeconds: 0.05 });
    const late = await transcribe(SECOND);
    expectEnvelope(late, { status: 503, code: 'model_load_timeout' });
    expect(late.text).toContain('STENO_MODEL_LOAD_SECONDS');
    expect(late.headers.get('retry-after')).toBe('30');
    await vi.waitFor(() => expect(server.services.pools.processIds).toHaveLength(1), 30_000);
  });

  it('are not loaded for a client that leaves, nor for sound that cannot be read', async () => {
    await start();
    const leaving = new AbortController();
    const form = new FormData();
    form.set('model', SECOND);
    form.set('file', new Blob([await readFile(fixturePath('jfk.wav'))]), 'a.wav');
    const url = `${server.url}/v1/audio/transcriptions`;
    const request = fetch(url, { method: 'POST', body: form, signal: leaving.signal });
    const refused = expect(request).rejects.toThrow('aborted');
    await vi.waitFor(async () => expect(await stateOf(SECOND)).toMatchObject({ state: 'loading' }), LOOK);
    leaving.abort();
    await refused;
    await vi.waitFor(() => {
      expect(server.services.pools.processIds).toHaveLength(1);
      expect(server.services.admission.size).toBe(0);
    }, 30_000);
    // The request is out of admission a moment before its folder is gone.
    await expect.poll(() => server.scratchFiles()).toEqual([]);
    expect(await stateOf(SECOND)).toMatchObject({ state: 'ready' });
    const noise = await postForm(server.url, {
      fields: { model: SECOND },
      file: filePart(Buffer.alloc(5000, 7)),
    });
    expect(noise.status).toBe(400);
    expect(
      await metric(/steno_model_loads_total\{model="acme\/second",outcome="loaded"\} (\d)/),
    ).toBeUndefined();
  });

  it('work on when their process is killed (R24)', async () => {
    await start();
    await transcribe(SECOND);
    const pid = modelProcess();
    const answer = transcribe(SECOND);
    await vi.waitFor(() => expect(server.services.pools.isInUse(SECOND)).toBe(true), 30_000);
    process.kill(pid, 'SIGKILL');
    expect((await answer).text).toContain('my fellow Americans');
    expect(modelProcess()).not.toBe(pid);
  });

  it('leave no process behind when the server is closed while they load', async () => {
    await start();
    const answer = transcribe(SECOND).catch(() => undefined);
    await vi.waitFor(() => expect(server.services.pools.processIds).toHaveLength(2), 30_000);
    const pids = server.services.pools.processIds;
    await server.close();
    isClosed = true;
    expect(pids.filter(isAlive)).toEqual([]);
    await answer;
  });

  it('are loaded for a stream too', async () => {
    await start();
    const answer = await postForm(server.url, {
      fields: { model: SECOND, stream: 'true' },
      file: filePart(await readFile(fixturePath('jfk.wav'))),
    });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('transcript.text.done');
    expect(answer.text).toContain('my fellow Americans');
  });
});

describe('models loaded without a request', () => {
  it('by an admin, and unloaded; others may not', async () => {
    server = await startTestServer({
      transcriber: 'real',
      config: { engineProcesses: 1, engineExpress: false, apiKeys: [TEST_KEY], metrics: 'open' },
    });
    await installSecondModel(server.config.dataDir, SECOND);
    const data = await openDataStore(server.config.dataDir);
    const { key } = createStoredKey({ name: '', scope: 'admin' }, data);
    data.store.close();
    const admin = { authorization: `Bearer ${key}` };
    const user = { authorization: `Bearer ${TEST_KEY}` };
    expect((await post(`/v1/models/${SECOND}/load`, user)).status).toBe(403);
    expect((await post(`/v1/models/${SECOND}/load`)).status).toBe(401);
    const loaded = await post(`/v1/models/${SECOND}/load`, admin);
    expect([loaded.status, await loaded.json()]).toEqual([
      200,
      { id: SECOND, object: 'model', state: 'loaded' },
    ]);
    const pid = modelProcess();
    const { models, pools } = server.services;
    const lease = await pools.lease(models.resolve(SECOND));
    const inUse = await post(`/v1/models/${SECOND}/unload`, admin);
    expect([inUse.status, (await inUse.json()) as unknown]).toMatchObject([
      409,
      { error: { code: 'model_in_use' } },
    ]);
    lease.release();
    const unloaded = await post(`/v1/models/${encodeURIComponent(SECOND)}/unload`, admin);
    expect([unloaded.status, await unloaded.json()]).toEqual([
      200,
      { id: SECOND, object: 'model', state: 'ready' },
    ]);
    expect(isAlive(pid)).toBe(false);
    expect((await post('/v1/models/nobody/load', admin)).status).toBe(404);
    const wrong = await post(`/v1/models/${SECOND}`, admin);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, expect.stringContaining('GET')]);
  });

  it('those of the package leave when idle for so long, and the server stays ready', async () => {
    await start({ embeddedKeepAliveSeconds: 1 });
    await vi.waitFor(() => expect(server.services.pools.processIds).toEqual([]), 30_000);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    expect(await stateOf('whisper-1')).toMatchObject({ state: 'ready' });
    expect((await transcribe('whisper-1')).text).toContain('my fellow Americans');
  });
});

describe('preload', () => {
  it('loads at the start what it names, and keeps it', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'steno-preload-'));
    await installSecondModel(dataDir, SECOND);
    const flags = { dataDir, engineProcesses: 1, engineExpress: false, preload: SECOND, keepAliveSeconds: 0 };
    const logger = createLogger('silent');
    const services = await createServices(loadConfig({ flags }), { logger, store: 'memory' });
    try {
      expect(services.readiness().ready).toBe(true);
      expect(services.pools.loaded()).toEqual([SECOND]);
      (await services.pools.lease(services.models.resolve(SECOND))).release();
      expect(services.pools.stateOf(SECOND)).toMatchObject({ state: 'loaded', leases: 0 });
      expect(services.pools.stateOf(SECOND).unloadsMs).toBeUndefined();
    } finally {
      await services.close();
      await rm(dataDir, { recursive: true });
    }
    isClosed = true;
  });

  it('stops the start for a name that no model has', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'steno-preload-'));
    const config = loadConfig({ flags: { dataDir, preload: 'nobody' } });
    await expect(createServices(config, { logger: createLogger('silent'), store: 'memory' })).rejects.toThrow(
      'STENO_PRELOAD names the model nobody',
    );
    await rm(dataDir, { recursive: true });
    isClosed = true;
  });
});

describe('a Whisper model', () => {
  /** A generated one; with more layers it takes longer. */
  async function importWhisper(
    id: string,
    options: { encoderLayers?: number; textContext?: number } = {},
  ): Promise<void> {
    const path = join(server.config.dataDir, `${id}.bin`);
    await writeGgmlWhisper(path, { multilingual: true, ...options });
    await server.services.library.importModel({
      path,
      as: id,
      engine: 'whisper-cpp',
      languages: ['en', 'de', 'fr'],
    });
  }

  it('runs beside the others in a process of its own, which ends when idle', async () => {
    await start({ keepAliveSeconds: 2 }, {});
    await importWhisper('tones');
    const recording = await readFile(fixturePath('jfk.wav'));
    let pid = 0;
    const [german, english] = await Promise.all([
      postForm(server.url, {
        fields: { model: 'tones', language: 'de', response_format: 'verbose_json' },
        file: filePart(recording),
      }).finally(() => {
        // Now, for the other one may take longer than the process stays.
        pid = modelProcess();
      }),
      transcribe('whisper-1'),
    ]);
    expect({ status: german.status, text: german.text }).toMatchObject({ status: 200 });
    expect(german.text).toContain(WHISPER_SAYS.de[0]?.text ?? '-');
    expect(english.text).toContain('my fellow Americans');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 30_000);
  });

  it.skipIf(!hasProcessTable)(
    'computes no longer for a client that has left (R11; needs /proc)',
    async () => {
      await start({}, {});
      await importWhisper('slow', { encoderLayers: 60, textContext: 448 });
      await server.services.pools.load(server.services.models.resolve('slow'));
      const pid = modelProcess();
      const before = cpuSeconds([pid]);
      const leaving = new AbortController();
      const form = new FormData();
      form.set('model', 'slow');
      // The longest answer, at every temperature: many seconds, of which it gets one.
      form.set('prompt', 'loop');
      form.set('file', new Blob([await readFile(fixturePath('jfk.wav'))]), 'a.wav');
      const url = `${server.url}/v1/audio/transcriptions`;
      const request = fetch(url, { method: 'POST', body: form, signal: leaving.signal });
      const refused = expect(request).rejects.toThrow('aborted');
      await vi.waitFor(() => expect(cpuSeconds([pid]) - before).toBeGreaterThan(0.3), LOOK);
      leaving.abort();
      const leftMs = performance.now();
      await refused;
      // Ended, unless it came to an end itself at that moment.
      await expect.poll(() => isAtRest(pid)).toBe(true);
      expect(performance.now() - leftMs).toBeLessThan(5000);
      expect(server.services.pools.isInUse('slow')).toBe(false);
      expect(await metric(/steno_inference_restarts_total (\d+)/)).toBe('0');
    },
  );
});
