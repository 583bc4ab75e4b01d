import { afterEach, describe, expect, it } from 'vitest';
import { tone, wavBytes } from '../support/audio-fixtures.ts';
import { BOUNDARY, encodeForm, filePart, RawConnection } from '../support/multipart.ts';
import { byTier } from '../support/tier.ts';
import { hasProcessTable, residentMiB } from './support/process-table.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const MIB = 1024 * 1024;
const TYPE = `Content-Type: multipart/form-data; boundary=${BOUNDARY}`;

let server: StubServer;
afterEach(() => server.stop());

async function startWarm(): Promise<{ readonly baselineMiB: number }> {
  server = await startStubServer({ settings: { STUB_BATCH: '8' } });
  for (let warmUp = 0; warmUp < 20; warmUp += 1) await server.post(scripted('answer'));
  return { baselineMiB: residentMiB(server.pid) };
}

/** What its own figures call used, after a collection: resident memory keeps room for more. */
async function inUseMiB(): Promise<number> {
  const figures = await (await fetch(`${server.url}/metrics`)).text();
  const names = ['steno_nodejs_heap_size_used_bytes', 'steno_nodejs_external_memory_bytes'];
  const bytes = names.map((name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(figures)?.[1]));
  return bytes.reduce((sum, value) => sum + value, 0) / MIB;
}

/** Watches the server until the work is done; its highest memory. */
async function peakMiB(work: Promise<unknown>): Promise<number> {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMiB(server.pid));
  }, 20);
  await work.finally(() => clearInterval(timer));
  return peak;
}

describe.skipIf(!hasProcessTable)('R2 receiving takes bounded memory', () => {
  const sizeMib = byTier({ fast: 60, nightly: 300 });

  it(`8 uploads of ${sizeMib} MiB at once: at most 200 MiB more`, { timeout: 300_000 }, async () => {
    const { baselineMiB } = await startWarm();
    const head = encodeForm([filePart(Buffer.alloc(0))]);
    const split = head.length - `\r\n--${BOUNDARY}--\r\n`.length;
    const piece = Buffer.alloc(MIB, 'a');
    const upload = async (): Promise<void> => {
      const connection = new RawConnection(server.port);
      connection
        .post([TYPE, `Content-Length: ${head.length + sizeMib * MIB}`])
        .write(head.subarray(0, split));
      for (let sent = 0; sent < sizeMib; sent += 1)
        await new Promise<void>((resolve) => {
          connection.socket.write(piece, () => resolve());
        });
      connection.write(head.subarray(split));
      expect((await connection.response()).status).toBe(400);
      connection.close();
    };
    const peak = await peakMiB(Promise.all(Array.from({ length: 8 }, upload)));
    console.log(`R2: ${(peak - baselineMiB).toFixed(0)} MiB more for 8 x ${sizeMib} MiB`);
    expect(peak - baselineMiB).toBeLessThan(200);
    await expect.poll(server.scratch).toEqual([]);
  });

  const pieces = byTier({ fast: 100_000, nightly: 1_000_000 });
  const requests = byTier({ fast: 4, nightly: 20 });

  it(`${requests} requests of ${pieces} chunks of one byte: at most 16 MiB more`, {
    timeout: 900_000,
  }, async () => {
    await startWarm();
    const body = encodeForm([filePart(Buffer.alloc(pieces - 300, 'a'))]);
    const chunked = Buffer.concat([
      ...Array.from(body, (byte) => Buffer.from([0x31, 0x0d, 0x0a, byte, 0x0d, 0x0a])),
      Buffer.from('0\r\n\r\n'),
    ]);
    const send = async (): Promise<void> => {
      const connection = new RawConnection(server.port);
      const answer = await connection.post([TYPE, 'Transfer-Encoding: chunked']).write(chunked).response();
      expect(answer.status).toBe(400);
      connection.close();
    };
    // The first brings V8's nursery to its full size, once and for all: up to 16 MiB that are no growth.
    await send();
    await server.collectGarbage();
    const baselineMiB = residentMiB(server.pid);
    for (let index = 0; index < requests; index += 1) await send();
    await server.collectGarbage();
    const growthMiB = residentMiB(server.pid) - baselineMiB;
    console.log(`R2: ${growthMiB.toFixed(1)} MiB more after one-byte chunks`);
    expect(growthMiB).toBeLessThan(16);
  });

  it('30 recordings of another sampling rate at once, six times: at most 200 MiB more', async () => {
    const { baselineMiB } = await startWarm();
    const recording = wavBytes({ seconds: 4, sampleRate: 44_100, generate: tone(300) });
    const work = async (): Promise<void> => {
      for (let round = 0; round < 6; round += 1) {
        const answers = await Promise.all(Array.from({ length: 30 }, () => server.post(recording)));
        for (const answer of answers) expect(answer.status).toBe(200);
      }
    };
    const peak = await peakMiB(work());
    console.log(`R2: ${(peak - baselineMiB).toFixed(0)} MiB more for 30 conversions at once`);
    expect(peak - baselineMiB).toBeLessThan(200);
  });

  it('1,000 clients that leave in the middle of their upload: at most 8 MiB more in use', async () => {
    await startWarm();
    const body = encodeForm([filePart(scripted('answer'))]);
    const leave = async (): Promise<void> => {
      const connection = new RawConnection(server.port)
        .post([TYPE, `Content-Length: ${body.length}`])
        .write(body.subarray(0, body.length / 2));
      await new Promise((resolve) => setTimeout(resolve, 20));
      connection.close();
    };
    const departures = async (count: number): Promise<number> => {
      for (let left = 0; left < count; left += 10) await Promise.all(Array.from({ length: 10 }, leave));
      await expect.poll(server.scratch).toEqual([]);
      await server.collectGarbage();
      return inUseMiB();
    };
    const baselineMiB = await departures(200);
    const growthMiB = (await departures(1000)) - baselineMiB;
    console.log(`R2: ${growthMiB.toFixed(1)} MiB more in use after 1,000 departures`);
    expect(growthMiB).toBeLessThan(8);
  });
});
