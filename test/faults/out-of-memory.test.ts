import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { BOUNDARY, encodeForm, expectEnvelope, filePart, RawConnection } from '../support/multipart.ts';
import { byTier } from '../support/tier.ts';
import { DEVOUR, recordingThatHangs, writeHangingFfmpeg } from './support/hanging-ffmpeg.ts';
import { canLimitMemory, createMemoryGroup, type MemoryGroup } from './support/memory-group.ts';
import { residentMiB } from './support/process-table.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const MIB = 1024 * 1024;

let server: StubServer | undefined;
let group: MemoryGroup | undefined;

/** A server that shares so much more memory with its children from now on. */
async function startWithin(limitMib: number, settings: Record<string, string> = {}): Promise<StubServer> {
  server = await startStubServer({ settings: { STUB_BATCH: '4', ...settings } });
  // Loads what the first request needs, outside of the limit.
  await server.post(scripted('answer'));
  group = createMemoryGroup(limitMib * MIB);
  for (const pid of [server.pid, ...server.inferenceIds()]) group?.add(pid);
  return server;
}

afterEach(async () => {
  await server?.stop();
  server = undefined;
  if (group === undefined) return;
  // A group goes when the last of its processes is gone.
  await expect.poll(tryToRemove).toBe(true);
});

function tryToRemove(): boolean {
  try {
    group?.remove();
    group = undefined;
    return true;
  } catch {
    return false;
  }
}

/** Asks whether the server lives, all the while; how long the slowest answer took. */
async function slowestHealthMs(url: string, work: Promise<unknown>): Promise<number> {
  let slowest = 0;
  let done = false;
  void work.finally(() => {
    done = true;
  });
  while (!done) {
    const startMs = performance.now();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    slowest = Math.max(slowest, performance.now() - startMs);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return slowest;
}

function losses(log: string): number {
  return log.split('an inference process ended').length - 1;
}

describe.skipIf(!canLimitMemory)('R25 no memory left (E16; needs root and cgroups)', () => {
  it('ends an inference process and never the server: the recording gets out_of_memory, others their text', async () => {
    const { url, post, log, child, scratch } = await startWithin(200);
    const others = [1, 2, 3].map(() => post(scripted(['take', 0.5])));
    const devouring = post(scripted('devour'));
    const slowest = await slowestHealthMs(url, devouring);
    const answer = await devouring;
    const message = expectEnvelope(answer, { status: 503, code: 'out_of_memory' });
    expect(message).toContain('memory');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    for (const other of await Promise.all(others)) expect(other.status).toBe(200);
    // Once beside others and once alone.
    expect(losses(log())).toBe(2);
    expect(log()).toContain('out of memory (SIGKILL)');
    expect(child.exitCode).toBeNull();
    expect((await post(scripted('answer'))).status).toBe(200);
    expect(scratch()).toEqual([]);
    console.log(`R25: slowest answer of /healthz meanwhile ${slowest.toFixed(0)} ms`);
  });

  it('a chunk that had too little beside others is done alone', async () => {
    const { post, log } = await startWithin(200);
    const beside = post(scripted(['take', 2]));
    const craving = post(scripted(['take', 1], 'crave'));
    expect(JSON.parse((await craving).text).text).toContain('had enough.');
    expect((await beside).status).toBe(200);
    expect(losses(log())).toBeLessThanOrEqual(1);
  });

  it('a part of a recording is reported, the rest is delivered', async () => {
    const { post } = await startWithin(200);
    const answer = await post(scripted('answer', 'devour', 'answer'), {
      fields: { response_format: 'verbose_json' },
    });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({
      text: 'heard 1000. heard 1000.',
      warnings: [expect.stringContaining('could not be transcribed')],
    });
  });

  it('ends a decoder: out_of_memory, not a fault of the file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'steno-memory-'));
    try {
      const { post, child, scratch } = await startWithin(200, {
        STENO_FFMPEG: writeHangingFfmpeg(folder, DEVOUR),
      });
      const answer = await post(await recordingThatHangs(folder));
      expectEnvelope(answer, { status: 503, code: 'out_of_memory' });
      expect(child.exitCode).toBeNull();
      expect(scratch()).toEqual([]);
      expect((await post(scripted('answer'))).status).toBe(200);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  const sizeMib = byTier({ fast: 60, nightly: 300 });

  it(`E16 a server with 400 MiB receives 8 x ${sizeMib} MiB at once`, { timeout: 300_000 }, async () => {
    const { port, pid, child, scratch, log } = await startWithin(400);
    const baselineMiB = residentMiB(pid);
    let peakMiB = 0;
    const watch = setInterval(() => {
      peakMiB = Math.max(peakMiB, residentMiB(pid));
    }, 20);
    const whole = encodeForm([filePart(Buffer.alloc(0))]);
    const split = whole.length - `\r\n--${BOUNDARY}--\r\n`.length;
    const piece = Buffer.alloc(MIB, 'a');
    const upload = async (): Promise<void> => {
      const connection = new RawConnection(port)
        .post([
          `Content-Type: multipart/form-data; boundary=${BOUNDARY}`,
          `Content-Length: ${whole.length + sizeMib * MIB}`,
        ])
        .write(whole.subarray(0, split));
      for (let sent = 0; sent < sizeMib; sent += 1)
        await new Promise<void>((resolve) => {
          connection.socket.write(piece, () => resolve());
        });
      connection.write(whole.subarray(split));
      expect((await connection.response()).status).toBe(400);
      connection.close();
    };
    await Promise.all(Array.from({ length: 8 }, upload)).finally(() => clearInterval(watch));
    console.log(
      `E16: 8 x ${sizeMib} MiB within 400 MiB: the server had ${peakMiB.toFixed(0)} MiB at most, ` +
        `${(peakMiB - baselineMiB).toFixed(0)} MiB more than before; the kernel ended ${group?.kills() ?? 'uncounted'} processes`,
    );
    expect(peakMiB - baselineMiB).toBeLessThan(200);
    expect(peakMiB).toBeLessThan(400);
    expect(group?.kills() ?? 0).toBe(0);
    expect(losses(log())).toBe(0);
    expect(child.exitCode).toBeNull();
    await expect.poll(scratch).toEqual([]);
  });
});

const hasPrlimit = (() => {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasPrlimit)(
  'R25 a limit for inference processes (STENO_ENGINE_MEMORY_BYTES; needs prlimit)',
  () => {
    it('stops the one that wants more, and the server goes on', async () => {
      server = await startStubServer({
        settings: { STUB_BATCH: '4', STENO_ENGINE_MEMORY_BYTES: String(300 * MIB) },
      });
      const { post, log } = server;
      const other = post(scripted(['take', 0.5]));
      expectEnvelope(await post(scripted('devour')), { status: 503, code: 'out_of_memory' });
      expect((await other).status).toBe(200);
      expect(losses(log())).toBe(2);
      expect((await post(scripted('answer'))).status).toBe(200);
    });

    it('that leaves no room for anything is refused at the start', async () => {
      const starting = startStubServer({ settings: { STENO_ENGINE_MEMORY_BYTES: String(MIB) } });
      await expect(starting).rejects.toThrow(/STENO_ENGINE_MEMORY_BYTES.*not even an empty process/);
    });
  },
);
