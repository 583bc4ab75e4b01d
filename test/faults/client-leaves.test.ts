import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'steno-leave-'));
  hanging = await recordingThatHangs(folder);
  // Two places: one for the client that leaves, one for whoever is already there.
  const settings = { STENO_MAX_QUEUE: '2', STENO_FFMPEG: writeHangingFfmpeg(folder) };
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
}

/** Request folders, without what is in them. */
function folders(): number {
  return server.scratch().filter((name) => /^server-[^/]+\/job-[^/]+$/.test(name)).length;
}

async function expectIdle(): Promise<void> {
  const ids = server.inferenceIds();
  const before = cpuSeconds(ids);
  const startMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 400));
  const share = (cpuSeconds(ids) - before) / ((performance.now() - startMs) / 1000);
  expect(share).toBeLessThan(0.05);
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
    const first = open(scripted(['take', 10]));
    await expect.poll(folders, { interval: 5 }).toBe(2);
    for (const how of ways) {
      const connection = open(scripted('answer'));
      // The upload's folder and the one of its decoded sound.
      await expect.poll(folders, { interval: 5 }).toBe(4);
      leave(connection, how);
      await expectNothingLeft({ folders: 2 });
    }
    leave(first, 'FIN');
    await expectNothingLeft();
    await expectNextSucceeds();
  });

  it('while decoding', async () => {
    for (const how of ways) {
      const connection = open(hanging);
      await expect.poll(() => server.ffmpegIds().length, { timeout: 5000, interval: 10 }).toBeGreaterThan(0);
      leave(connection, how);
      await expectNothingLeft();
    }
    await expectNextSucceeds();
  });

  it('while inferring', async () => {
    for (const how of ways) {
      const connection = open(scripted(['take', 10]));
      await expect.poll(folders, { interval: 5 }).toBe(2);
      await new Promise((resolve) => setTimeout(resolve, 50));
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
