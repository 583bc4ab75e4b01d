import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EngineCrashedError, QueueTimeoutError } from '../errors.ts';
import type { TranscribeTask } from './inference-protocol.ts';
import { Scheduler } from './scheduler.ts';

const SCRIPTED_PROCESS = new URL('../../test/support/scripted-inference-process.mjs', import.meta.url)
  .pathname;

const schedulers: Scheduler[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.close()));
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function start(
  options: {
    processes?: number;
    timeoutMs?: number;
    batchSize?: number;
    express?: boolean;
    idleMs?: number;
  } = {},
): Promise<Scheduler> {
  const scheduler = new Scheduler({
    setup: { vadPath: String(options.batchSize ?? 1), cacheDirectory: '', models: [] },
    processes: options.processes ?? 1,
    express: options.express ?? false,
    timeoutMs: options.timeoutMs ?? 20_000,
    loadTimeoutMs: 20_000,
    idleMs: options.idleMs,
    entry: SCRIPTED_PROCESS,
  });
  schedulers.push(scheduler);
  await scheduler.started();
  return scheduler;
}

/** The scripted process does what the model's name says: `echo`, `crash`, `hang`, `fail`, `crash-once:<file>`, `wait:<file>`. */
function script(model: string): TranscribeTask {
  const range = {
    pcm: { path: '', offsetBytes: 0 },
    startSample: 0,
    endSample: 0,
    paddingBefore: 0,
    paddingAfter: 0,
  };
  return { kind: 'transcribe', model, ...range, speechSecond: 1, temperature: 0 };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'steno-test-'));
  folders.push(folder);
  return folder;
}

describe('Scheduler', () => {
  it('answers what the process answers', async () => {
    const scheduler = await start();
    const { hypothesis } = await scheduler.submit(script('echo'), { key: 'a', request: '1' });
    expect(hypothesis.text).toBe('echo');
  });

  it('passes on a failure that left the process well', async () => {
    const scheduler = await start();
    await expect(scheduler.submit(script('fail'), { key: 'a', request: '1' })).rejects.toThrow(
      'told to fail',
    );
    const { hypothesis } = await scheduler.submit(script('echo'), { key: 'a', request: '2' });
    expect(hypothesis.text).toBe('echo');
  });

  it('runs a chunk again when its process dies', async () => {
    const scheduler = await start();
    const marker = join(await temporaryFolder(), 'crashed');
    const { hypothesis } = await scheduler.submit(script(`crash-once:${marker}`), { key: 'a', request: '1' });
    expect(hypothesis.text).toBe(`crash-once:${marker}`);
  });

  it('gives a poisonous chunk up after three starts and answers the others of its process', async () => {
    const scheduler = await start({ batchSize: 4 });
    const bystanders = [1, 2, 3].map((n) =>
      scheduler.submit(script('slow-echo'), { key: 'a', request: String(n) }),
    );
    const poison = scheduler.submit(script('crash'), { key: 'a', request: '4' });
    await expect(poison).rejects.toThrow(EngineCrashedError);
    await expect(poison).rejects.toThrow('3 times');
    for (const { hypothesis } of await Promise.all(bystanders)) expect(hypothesis.text).toBe('slow-echo');
  });

  it('kills a process that hangs', async () => {
    const scheduler = await start({ timeoutMs: 300 });
    await expect(scheduler.submit(script('hang'), { key: 'a', request: '1' })).rejects.toThrow(
      EngineCrashedError,
    );
  });

  it('kills a process that hangs on a chunk nobody wants any more', async () => {
    const scheduler = await start({ timeoutMs: 300 });
    const [before] = scheduler.processIds;
    const leaving = new AbortController();
    const hanging = scheduler.submit(script('hang'), { key: 'a', request: '1', signal: leaving.signal });
    leaving.abort();
    await expect(hanging).rejects.toThrow('cancelled');
    await expect.poll(() => scheduler.processIds).not.toContain(before);
  });

  it('frees the place of a chunk that is aborted while it waits or runs', async () => {
    const scheduler = await start();
    const gate = join(await temporaryFolder(), 'gate');
    const running = new AbortController();
    const waiting = new AbortController();
    const first = scheduler.submit(script(`wait:${gate}`), {
      key: 'a',
      request: '1',
      signal: running.signal,
    });
    const second = scheduler.submit(script('echo'), { key: 'a', request: '1', signal: waiting.signal });
    expect(scheduler.waiting).toBe(1);
    waiting.abort();
    await expect(second).rejects.toThrow('cancelled');
    expect(scheduler.waiting).toBe(0);
    running.abort();
    await expect(first).rejects.toThrow('cancelled');
    const { hypothesis } = await scheduler.submit(script('echo'), { key: 'a', request: '2' });
    expect(hypothesis.text).toBe('echo');
    await writeFile(gate, '');
  });

  it('gives urgent work the next place', async () => {
    const scheduler = await start();
    const gate = join(await temporaryFolder(), 'gate');
    const order: string[] = [];
    const first = scheduler.submit(script(`wait:${gate}`), { key: 'a', request: '1' });
    const others = ['long-1', 'long-2', 'short'].map((name) =>
      scheduler
        .submit(script('echo'), { key: 'a', request: name.slice(0, 4), urgent: name === 'short' })
        .then(() => order.push(name)),
    );
    await writeFile(gate, '');
    await Promise.all([first, ...others]);
    expect(order).toEqual(['short', 'long-1', 'long-2']);
  });

  it('keeps the express process free of what is not urgent', async () => {
    const scheduler = await start({ express: true });
    const gate = join(await temporaryFolder(), 'gate');
    const long = [1, 2, 3].map(() => scheduler.submit(script(`wait:${gate}`), { key: 'a', request: '1' }));
    expect(scheduler.waiting).toBe(2);
    const { hypothesis } = await scheduler.submit(script('echo'), { key: 'a', request: '2', urgent: true });
    expect(hypothesis.text).toBe('echo');
    await writeFile(gate, '');
    await Promise.all(long);
  });

  it('starts the express process with the first work that is not urgent, and again when it dies', async () => {
    const scheduler = await start({ express: true });
    expect(scheduler.processIds).toHaveLength(1);
    const gate = join(await temporaryFolder(), 'gate');
    const long = scheduler.submit(script(`wait:${gate}`), { key: 'a', request: '1' });
    expect(scheduler.processIds).toHaveLength(2);
    process.kill(scheduler.processIds[0] ?? 0, 'SIGKILL');
    const { hypothesis } = await scheduler.submit(script('echo'), { key: 'a', request: '2', urgent: true });
    expect(hypothesis.text).toBe('echo');
    await writeFile(gate, '');
    await long;
  });

  it('gives memory back when there is nothing to do: fresh processes, no express one', async () => {
    const scheduler = await start({ express: true, idleMs: 50 });
    const [before] = scheduler.processIds;
    await scheduler.submit(script('echo'), { key: 'a', request: '1' });
    await vi.waitFor(() => {
      expect(scheduler.processIds).toHaveLength(1);
      expect(scheduler.processIds[0]).not.toBe(before);
    }, 30_000);
    const { hypothesis } = await scheduler.submit(script('echo'), { key: 'a', request: '2' });
    expect(hypothesis.text).toBe('echo');
  });

  it('keeps one process when idle, and starts the others with more work', async () => {
    const scheduler = await start({ processes: 2, idleMs: 50 });
    const before = scheduler.processIds;
    await scheduler.submit(script('echo'), { key: 'a', request: '1' });
    await vi.waitFor(() => {
      expect(scheduler.processIds).toHaveLength(1);
      expect(before).not.toContain(scheduler.processIds[0]);
    }, 30_000);
    await scheduler.submit(script('echo'), { key: 'a', request: '2', urgent: true });
    expect(scheduler.processIds).toHaveLength(1);
    const gate = join(await temporaryFolder(), 'gate');
    const work = [3, 4].map((n) =>
      scheduler.submit(script(`wait:${gate}`), { key: 'a', request: String(n), urgent: true }),
    );
    await vi.waitFor(() => expect(scheduler.running).toBe(2), 30_000);
    expect(scheduler.processIds).toHaveLength(2);
    await writeFile(gate, '');
    await Promise.all(work);
  });

  it('gives up what is not started in time, and nothing that is', async () => {
    const scheduler = await start();
    const gate = join(await temporaryFolder(), 'gate');
    const limit = { key: 'a', startWithinSeconds: 0.2 };
    const running = scheduler.submit(script(`wait:${gate}`), { ...limit, request: '1' });
    const waiting = scheduler.submit(script('echo'), { ...limit, request: '2' });
    await expect(waiting).rejects.toThrow(QueueTimeoutError);
    await expect(waiting).rejects.toThrow('STENO_MAX_QUEUE_SECONDS');
    expect(scheduler.waiting).toBe(0);
    await writeFile(gate, '');
    expect((await running).hypothesis.text).toContain('wait');
  });

  it('refuses work once closed and rejects what ran', async () => {
    const scheduler = await start();
    const gate = join(await temporaryFolder(), 'gate');
    const running = scheduler.submit(script(`wait:${gate}`), { key: 'a', request: '1' });
    const closed = scheduler.close();
    await expect(running).rejects.toThrow('shutting down');
    await closed;
    await expect(scheduler.submit(script('echo'), { key: 'a', request: '2' })).rejects.toThrow(
      'shutting down',
    );
  });
});
