import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  BOUNDARY,
  encodeForm,
  expectEnvelope,
  filePart,
  RawConnection,
  type RawResponse,
} from '../support/multipart.ts';
import { buildCli, runCli } from '../support/run-cli.ts';
import { timeRequest } from './support/core-wait.ts';
import { openFiles } from './support/process-table.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const MIB = 1024 * 1024;

let folder: string;
let server: StubServer | undefined;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'steno-storage-'));
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A small file system of its own; needs root and the right to mount. */
function mountTmpfs(path: string, options: string): boolean {
  mkdirSync(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const probe = mkdtempSync(join(tmpdir(), 'steno-mount-'));
const canMount = mountTmpfs(probe, 'size=1m');
if (canMount) execFileSync('umount', [probe]);
rmSync(probe, { recursive: true });

function upload(port: number, body: Buffer, how: 'length' | 'chunked'): RawConnection {
  const type = `Content-Type: multipart/form-data; boundary=${BOUNDARY}`;
  const connection = new RawConnection(port);
  connection.socket.on('error', () => {});
  if (how === 'length') return connection.post([type, `Content-Length: ${body.length}`]).write(body);
  return connection
    .post([type, 'Transfer-Encoding: chunked'])
    .write(`${body.length.toString(16)}\r\n`)
    .write(body)
    .write('\r\n0\r\n\r\n');
}

describe.skipIf(!canMount)('R17 a full disk (E14; needs root and mount)', () => {
  let data: string;
  beforeAll(() => {
    data = join(folder, 'full');
    mountTmpfs(data, 'size=16m');
  });
  afterAll(() => execFileSync('umount', [data]));

  it.each([
    ['while an upload comes', 'length', '0'],
    ['before an upload of known length is read', 'length', String(2 * MIB)],
    ['while an upload of unknown length comes', 'chunked', String(2 * MIB)],
  ] as const)(
    '%s is answered 507 within 2 s, nothing stays, and the server goes on',
    async (_when, how, reserve) => {
      server = await startStubServer({
        dataDir: data,
        // Another request is at work all the while.
        settings: { STENO_DISK_RESERVE_BYTES: reserve, STUB_BATCH: '2', STUB_TAKE_MS: '3000' },
      });
      const { port, pid, post, scratch, tasks } = server;
      const running = post(scripted(['take', 3]));
      await expect.poll(tasks).toMatchObject({ running: 1, detected: 1 });
      const before = scratch();
      const body = encodeForm([filePart(Buffer.alloc(64 * MIB, 'a'))]);
      let answer: RawResponse | undefined;
      const { ownMs } = await timeRequest(pid, async () => {
        const connection = upload(port, body, how);
        answer = await connection.response();
        connection.close();
      });
      expect(ownMs).toBeLessThan(2000);
      if (answer === undefined) throw new Error('no answer');
      const message = expectEnvelope(answer, { status: 507, code: 'storage_full' });
      expect(answer.headers.get('retry-after')).toBeDefined();
      if (reserve !== '0') expect(message).toContain('STENO_DISK_RESERVE_BYTES');
      await expect.poll(scratch).toEqual(before);
      expect((await running).status).toBe(200);
      expect((await post(scripted('answer'))).status).toBe(200);
      await expect.poll(scratch).toEqual([]);
    },
  );

  it('taken by others is told by /readyz, and over as soon as there is space again', async () => {
    server = await startStubServer({
      dataDir: data,
      settings: { STENO_DISK_RESERVE_BYTES: String(4 * MIB) },
    });
    const { url, post } = server;
    const ballast = join(data, 'ballast');
    writeFileSync(ballast, Buffer.alloc(13 * MIB));
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expectEnvelope(await post(scripted('answer')), { status: 507, code: 'storage_full' });
    rmSync(ballast);
    const startMs = performance.now();
    await expect.poll(async () => (await post(scripted('answer'))).status, { timeout: 5000 }).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(performance.now() - startMs).toBeLessThan(5000);
  });
});

describe('E15 a data folder that cannot be used', () => {
  beforeAll(buildCli);

  it.skipIf(!canMount)('read-only: ends at once with one clear line (needs root and mount)', async () => {
    const data = join(folder, 'read-only');
    mountTmpfs(data, 'size=1m,ro');
    try {
      const ended = await runCli(['serve', '--port', '0', '--data-dir', data]);
      expect(ended.code).toBeGreaterThan(0);
      expect(ended.stderr).toContain('STENO_DATA_DIR');
      expect(ended.stderr).not.toMatch(/\bat .*:\d+:\d+/);
      expect(ended.stderr.trim().split('\n')).toHaveLength(1);
    } finally {
      execFileSync('umount', [data]);
    }
  });

  it('a file in its place: ends at once with one clear line', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, '');
    const ended = await runCli(['serve', '--port', '0', '--data-dir', path]);
    expect(ended.code).toBeGreaterThan(0);
    expect(ended.stderr).toContain('STENO_DATA_DIR');
    expect(ended.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('one that vanishes while the server runs: errors in the usual shape, and a live server', async () => {
    const data = join(folder, 'vanishing');
    server = await startStubServer({ dataDir: data });
    const { url, post } = server;
    expect((await post(scripted('answer'))).status).toBe(200);
    rmSync(data, { recursive: true });
    const answer = await post(scripted('answer'));
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expectEnvelope(answer, { status: answer.status });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
  });
});

describe('E15 no file descriptors', () => {
  const hasPrlimit = (() => {
    try {
      execFileSync('prlimit', ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  })();

  it.skipIf(!hasPrlimit)('the server outlives it and works again when there are some', async () => {
    server = await startStubServer();
    const { port, pid, post } = server;
    expect((await post(scripted('answer'))).status).toBe(200);
    // Not before the start, which reads many modules at once.
    const limit = openFiles(pid).length + 10;
    execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${limit}`]);
    const idle = Array.from({ length: 80 }, () => {
      const connection = new RawConnection(port);
      connection.socket.on('error', () => {});
      return connection;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const answer = await post(scripted('answer')).catch(() => undefined);
    if (answer !== undefined) expect([200, 503]).toContain(answer.status);
    for (const connection of idle) connection.close();
    await expect.poll(async () => (await post(scripted('answer')).catch(() => undefined))?.status).toBe(200);
    expect(server.child.exitCode).toBeNull();
  });
});
