import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bestOf } from '../support/best-of.ts';
import { BOUNDARY, encodeForm, filePart, RawConnection, textPart } from '../support/multipart.ts';
import { byTier } from '../support/tier.ts';
import { recordingThatHangs, writeHangingFfmpeg } from './support/hanging-ffmpeg.ts';
import { cpuSeconds, hasProcessTable } from './support/process-table.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const TIMES = byTier({ fast: 4, nightly: 20 });
const DEADLINE = { timeout: 2000, interval: 20 };

let server: StubServer;
let folder: string;
let hanging: Buffer;
/** How long it took each time until all was free. */
const releasesMs: number[] = [];
/** As many as the server must have counted. */
let departures = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'steno-leave-'));
  hanging = await recordingThatHangs(folder);
  // Two places: one for the client that leaves, one for whoever is already there. What takes time would take minutes.
  const settings = {
    STENO_MAX_QUEUE: '2',
    STENO_FFMPEG: writeHangingFfmpeg(folder),
    STUB_TAKE_MS: '30000',
  };
  server = await startStubServer({ settings });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

function open(recording: Buffer, fields: Readonly<Record<string, string>> = {}): RawConnection {
  const parts = Object.entries(fields).map(([name, value]) => textPart(name, value));
  const body = encodeForm([...parts, filePart(recording)]);
  return new RawConnection(server.port)
    .post([`Content-Type: multipart/form-data; boundary=${BOUNDARY}`, `Content-Length: ${body.length}`])
    .write(body);
}

function leave({ socket }: RawConnection, how: 'FIN' | 'RST'): void {
  if (how === 'FIN') socket.destroy();
  else socket.resetAndDestroy();
}

/** All that the request held is free again, seen from outside. */
async function expectNothingLeft(besides: { readonly folders?: number } = {}): Promise<void> {
  const startMs = performance.now();
  await expect.poll(() => folders(), DEADLINE).toBe(besides.folders ?? 0);
  await expect.poll(() => server.ffmpegIds(), DEADLINE).toEqual([]);
  releasesMs.push(performance.now() - startMs);
  departures += 1;
  await expect.poll(() => server.figure('steno_jobs_cancelled_total')).toBe(departures);
}

/** Request folders, without what is in them. */
function folders(): number {
  return server.scratch().filter((name) => /^server-[^/]+\/job-[^/]+$/.test(name)).length;
}

/** The kernel counts in steps of 10 ms, and what was to do before may still be waiting for its turn. */
async function expectIdle(): Promise<void> {
  const shareNow = async (): Promise<number> => {
    const ids = server.inferenceIds();
    const before = cpuSeconds(ids);
    const startMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 400));
    return (100 * (cpuSeconds(ids) - before)) / ((performance.now() - startMs) / 1000);
  };
  expect(await bestOf('R11: inference process, % of a core', 5, shareNow)).toBeLessThan(5);
}

async function expectNextSucceeds(): Promise<void> {
  expect((await server.post(scripted('answer'))).status).toBe(200);
}

const ways = Array.from({ length: TIMES }, (_, index) => (index % 2 === 0 ? 'FIN' : 'RST'));

describe.skipIf(!hasProcessTable)('R11 a client that leaves (E6)', () => {
  it('while uploading', async () => {
    for (const how of ways) {
      const body = encodeForm([filePart(Buffer.alloc(2_000_000, 'a'))]);
      const connection = new RawConnection(server.port)
        .post([`Content-Type: multipart/form-data; boundary=${BOUNDARY}`, `Content-Length: ${body.length}`])
        .write(body.subarray(0, 1_000_000));
      await expect.poll(folders, { interval: 5 }).toBe(1);
      leave(connection, how);
      await expectNothingLeft();
    }
    await expectNextSucceeds();
  });

  it('while queued', async () => {
    const { detected } = await server.tasks();
    const first = open(scripted(['take', 10]));
    await expect.poll(server.tasks).toEqual({ running: 1, waiting: 0, detected: detected + 1 });
    for (const how of ways) {
      const connection = open(scripted('answer'));
      await expect.poll(server.tasks).toMatchObject({ running: 1, waiting: 1 });
      leave(connection, how);
      await expectNothingLeft({ folders: 1 });
    }
    leave(first, 'FIN');
    await expectNothingLeft();
    await expectNextSucceeds();
  });

  it('while decoding', async () => {
    for (const how of ways) {
      const connection = open(hanging);
      await expect.poll(() => server.ffmpegIds().length, { interval: 10 }).toBeGreaterThan(0);
      leave(connection, how);
      await expectNothingLeft();
    }
    await expectNextSucceeds();
  });

  it('while inferring', async () => {
    for (const how of ways) {
      const { detected } = await server.tasks();
      const connection = open(scripted(['take', 10]));
      await expect.poll(server.tasks).toMatchObject({ running: 1, detected: detected + 1 });
      leave(connection, how);
      await expectNothingLeft();
      await expectNextSucceeds();
    }
    await expectIdle();
  });

  it('while its answer is streamed', async () => {
    for (const how of ways) {
      const connection = open(scripted('answer', ['take', 10]), { stream: 'true' });
      await connection.until((received) => received.includes('transcript.text.delta'));
      leave(connection, how);
      await expectNothingLeft();
      await expectNextSucceeds();
    }
    await expectIdle();
  });

  it('leaves no trace of an error, and the server is the same process', () => {
    console.log(
      `R11: ${releasesMs.length} departures, the slowest freed in ${Math.max(...releasesMs).toFixed(0)} ms`,
    );
    expect(Math.max(...releasesMs)).toBeLessThan(2000);
    expect(server.child.exitCode).toBeNull();
    expect(server.log()).not.toMatch(/unhandled|uncaught|"level":(50|60)/i);
  });
});
