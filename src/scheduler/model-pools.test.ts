import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  AbortedError,
  ModelLoadError,
  ModelLoadTimeoutError,
  ModelNotInstalledError,
  ShuttingDownError,
} from '../errors.ts';
import { BUNDLED_MODELS, type ModelEntry } from '../models/catalog.ts';
import type { TranscribeTask } from './inference-protocol.ts';
import { createModelPools, type ModelPools, type ModelPoolsOptions } from './model-pools.ts';
import { Scheduler } from './scheduler.ts';

const SCRIPTED_PROCESS = new URL('../../test/support/scripted-inference-process.mjs', import.meta.url)
  .pathname;

const open: { close(): Promise<void> }[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

/** A base process and pools whose models do when loaded what their folder says. */
async function start(
  directories: Readonly<Record<string, string>>,
  options: Partial<ModelPoolsOptions> & { keepAliveSeconds?: number; restMs?: number } = {},
): Promise<{ pools: ModelPools; base: Scheduler }> {
  const base = new Scheduler({
    setup: { cacheDirectory: '', models: [{ id: 'base', engine: '', directory: '' }] },
    processes: 1,
    timeoutMs: 20_000,
    restMs: options.restMs,
    entry: SCRIPTED_PROCESS,
  });
  const pools = createModelPools({
    base,
    baseModels: ['base'],
    directoryOf: (id) => directories[id],
    cacheDirectory: '',
    processes: 1,
    timeoutMs: 20_000,
    loadSeconds: 20,
    entry: SCRIPTED_PROCESS,
    budgetBytes: 0,
    keepAliveSecondsOf: () => options.keepAliveSeconds ?? 300,
    ...options,
  });
  open.push(base, pools);
  await base.started();
  return { pools, base };
}

/** A catalogue entry under another id. */
function model(id: string): ModelEntry {
  const [entry] = BUNDLED_MODELS;
  if (entry === undefined) throw new Error('the package has no model');
  return { ...entry, id, memoryBytes: 10 };
}

function task(script: string): TranscribeTask {
  const pcm = { path: '', offsetBytes: 0 };
  const range = { pcm, startSample: 0, endSample: 0, paddingBefore: 0, paddingAfter: 0 };
  return { kind: 'transcribe', model: script, ...range, speechSecond: 1, temperature: 0 };
}

const turn = { key: 'a', request: '1' };

async function temporaryFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'steno-test-'));
  folders.push(folder);
  return join(folder, 'file');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('createModelPools', () => {
  it('starts a process for a model with its first lease, and ends it after the last and the time to stay', async () => {
    const { pools } = await start({ big: 'big' }, { keepAliveSeconds: 0.2 });
    expect(pools.processIds).toHaveLength(1);
    const lease = await pools.lease(model('big'));
    const [, pid = 0] = pools.processIds;
    expect(isAlive(pid)).toBe(true);
    expect((await lease.submit(task('echo'), turn)).hypothesis.text).toBe('echo');
    expect(pools.stateOf('big')).toMatchObject({ state: 'loaded', leases: 1 });
    lease.release();
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 30_000);
    await vi.waitFor(() => expect(pools.loadStateOf('big')).toEqual({ state: 'ready' }), 30_000);
    expect(pools.processIds).toHaveLength(1);
  });

  it('leases of the models of the package use the base processes', async () => {
    const { pools, base } = await start({});
    const lease = await pools.lease(model('base'));
    expect((await lease.submit(task('echo'), turn)).hypothesis.text).toBe('echo');
    lease.release();
    expect(pools.processIds).toEqual(base.processIds);
    expect(pools.loadStateOf('base')).toEqual({ state: 'loaded' });
  });

  it('refuses a model that is not installed, with the command that gets it', async () => {
    const { pools } = await start({});
    await expect(pools.lease(model('absent'))).rejects.toThrow(ModelNotInstalledError);
    await expect(pools.lease(model('absent'))).rejects.toThrow('steno models pull absent');
  });

  it('shows a model that is being loaded, and ends its process when nobody waits any more', async () => {
    const { pools } = await start({ slow: `load:wait:${await temporaryFile()}` });
    const leaving = new AbortController();
    const lease = pools.lease(model('slow'), { signal: leaving.signal });
    expect(pools.loadStateOf('slow')).toEqual({ state: 'loading' });
    expect(pools.isInUse('slow')).toBe(true);
    leaving.abort();
    await expect(lease).rejects.toThrow(AbortedError);
    await vi.waitFor(() => expect(pools.stateOf('slow').state).toBe('unloaded'), 30_000);
  });

  it("fails the load with the process's own words, at once for the next ones, and harms nobody else", async () => {
    const lost = vi.fn();
    const { pools } = await start({ bad: 'load:fail:no magic bytes', good: 'good' }, { onProcessLost: lost });
    await expect(pools.lease(model('bad'))).rejects.toThrow("'bad' could not be loaded: no magic bytes.");
    await expect(pools.lease(model('bad'))).rejects.toThrow(ModelLoadError);
    expect(lost).toHaveBeenCalledTimes(1);
    expect(pools.loadStateOf('bad')).toEqual({ state: 'failed', reason: 'no magic bytes' });
    const lease = await pools.lease(model('good'));
    expect((await lease.submit(task('echo'), turn)).hypothesis.text).toBe('echo');
    lease.release();
  });

  it('loads a model at once whose files were replaced after they failed', async () => {
    const directories: Record<string, string> = { a: 'load:fail:no magic bytes' };
    const { pools } = await start(directories);
    await expect(pools.lease(model('a'))).rejects.toThrow('no magic bytes');
    directories.a = 'mended';
    const lease = await pools.lease(model('a'));
    expect((await lease.submit(task('echo'), turn)).hypothesis.text).toBe('echo');
    lease.release();
  });

  it('starts a process again that is killed while it loads, but not for ever', async () => {
    const { pools } = await start({ shaky: `load:die-once:${await temporaryFile()}`, deadly: 'load:die:' });
    const lease = await pools.lease(model('shaky'));
    expect((await lease.submit(task('echo'), turn)).hypothesis.text).toBe('echo');
    lease.release();
    await expect(pools.lease(model('deadly'))).rejects.toThrow('ended while loading it (SIGKILL)');
  });

  it('gives up a load that takes too long, and its process with it', async () => {
    const { pools } = await start({ slow: `load:wait:${await temporaryFile()}` }, { loadSeconds: 0.3 });
    await expect(pools.lease(model('slow'))).rejects.toThrow(ModelLoadTimeoutError);
    expect(pools.processIds).toHaveLength(1);
    expect(pools.loadStateOf('slow').state).toBe('failed');
  });

  it('runs a chunk again when the process of its model is killed', async () => {
    const { pools } = await start({ big: 'big' });
    const gate = await temporaryFile();
    const lease = await pools.lease(model('big'));
    const answer = lease.submit(task(`wait:${gate}`), turn);
    await vi.waitFor(() => expect(pools.running).toBe(1), 30_000);
    process.kill(pools.processIds[1] ?? 0, 'SIGKILL');
    await writeFile(gate, '');
    expect((await answer).hypothesis.text).toContain('wait');
    lease.release();
  });

  it('fails the work of a model that cannot be loaded again once its process has ended', async () => {
    const damaged = await temporaryFile();
    const { pools, base } = await start({ big: `load:fail-if:${damaged}` });
    const lease = await pools.lease(model('big'));
    const answer = expect(lease.submit(task('hang'), turn)).rejects.toThrow('the file is damaged');
    await vi.waitFor(() => expect(pools.running).toBe(1), 30_000);
    await writeFile(damaged, '');
    process.kill(pools.processIds[1] ?? 0, 'SIGKILL');
    await answer;
    await expect(lease.submit(task('echo'), turn)).rejects.toThrow('the file is damaged');
    lease.release();
    await vi.waitFor(() => expect(pools.loadStateOf('big').state).toBe('failed'), 30_000);
    expect(base.healthy).toBe(true);
  });

  it('shows a model whose processes keep ending, and stays well itself', async () => {
    const { pools, base } = await start({ big: 'big' });
    const lease = await pools.lease(model('big'));
    await expect(lease.submit(task('crash'), turn)).rejects.toThrow('3 times');
    expect(pools.loadStateOf('big')).toEqual({
      state: 'failed',
      reason: 'its inference processes keep ending',
    });
    expect(base.healthy).toBe(true);
    lease.release();
  });

  it('unloads by hand what is idle; the base processes too, until there is work', async () => {
    const { pools, base } = await start({ big: 'big' });
    const lease = await pools.lease(model('big'));
    expect(await pools.unload('big')).toBe(false);
    lease.release();
    expect(await pools.unload('big')).toBe(true);
    expect(await pools.unload('base')).toBe(true);
    expect(pools.processIds).toEqual([]);
    expect(pools.loadStateOf('base')).toEqual({ state: 'ready' });
    expect(base.healthy).toBe(true);
    await pools.load(model('base'));
    expect(pools.processIds).toHaveLength(1);
    await pools.load(model('big'));
    expect(pools.loaded()).toEqual(['big']);
  });

  it('lets the base processes end when idle, stays ready, and starts them with the next work', async () => {
    const { pools, base } = await start({}, { restMs: 50 });
    await vi.waitFor(() => expect(base.processIds).toEqual([]), 30_000);
    expect(base.healthy).toBe(true);
    const lease = await pools.lease(model('base'));
    const answer = lease.submit(task('echo'), turn);
    expect(base.healthy).toBe(true);
    expect((await answer).hypothesis.text).toBe('echo');
    expect(base.healthy).toBe(true);
  });

  it('ends a process that lingers over cancelled work, which is no crash', async () => {
    const lost = vi.fn();
    const { pools } = await start({ big: 'big' }, { onProcessLost: lost });
    const lease = await pools.lease(model('big'));
    const leaving = new AbortController();
    const work = lease.submit(task(`linger:${await temporaryFile()}`), { ...turn, signal: leaving.signal });
    const pid = pools.processIds[1] ?? 0;
    leaving.abort();
    const startMs = performance.now();
    await expect(work).rejects.toThrow(AbortedError);
    const next = lease.submit(task('echo'), turn);
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 30_000);
    expect(performance.now() - startMs).toBeLessThan(5000);
    expect((await next).hypothesis.text).toBe('echo');
    expect(lost).not.toHaveBeenCalled();
    lease.release();
  });

  it('keeps a process whose cancelled work ends soon, and gives it nothing before', async () => {
    const { pools } = await start({ big: 'big' });
    const gate = await temporaryFile();
    const lease = await pools.lease(model('big'));
    const leaving = new AbortController();
    const work = lease.submit(task(`linger:${gate}`), { ...turn, signal: leaving.signal });
    const [, pid] = pools.processIds;
    leaving.abort();
    await expect(work).rejects.toThrow(AbortedError);
    const next = lease.submit(task('echo'), turn);
    expect(pools.waiting).toBe(1);
    await writeFile(gate, '');
    expect((await next).hypothesis.text).toBe('echo');
    expect(pools.processIds[1]).toBe(pid);
    lease.release();
  });

  it('leaves no process behind when it is closed, not even one that loads', async () => {
    const { pools } = await start({ big: 'big', slow: `load:wait:${await temporaryFile()}` });
    const lease = await pools.lease(model('big'));
    const loading = expect(pools.lease(model('slow'))).rejects.toThrow(ShuttingDownError);
    const [, pid = 0] = pools.processIds;
    const work = expect(lease.submit(task('hang'), turn)).rejects.toThrow('shutting down');
    await pools.close();
    await Promise.all([loading, work]);
    expect(isAlive(pid)).toBe(false);
    expect(pools.processIds).toHaveLength(1);
    await expect(pools.lease(model('big'))).rejects.toThrow(ShuttingDownError);
  });
});
