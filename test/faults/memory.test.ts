import { afterEach, describe, expect, it } from 'vitest';
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

  it(`${requests} requests of ${pieces} chunks of one byte`, { timeout: 900_000 }, async () => {
    const { baselineMiB } = await startWarm();
    const body = encodeForm([filePart(Buffer.alloc(pieces - 300, 'a'))]);
    const chunked = Buffer.concat([
      ...Array.from(body, (byte) => Buffer.from([0x31, 0x0d, 0x0a, byte, 0x0d, 0x0a])),
      Buffer.from('0\r\n\r\n'),
    ]);
    for (let index = 0; index < requests; index += 1) {
      const connection = new RawConnection(server.port);
      const answer = await connection.post([TYPE, 'Transfer-Encoding: chunked']).write(chunked).response();
      expect(answer.status).toBe(400);
      connection.close();
    }
    const growthMiB = residentMiB(server.pid) - baselineMiB;
    console.log(`R2: ${growthMiB.toFixed(0)} MiB more after one-byte chunks`);
    // Without a forced collection; the promise of 16 MiB is about what is still in use.
    expect(growthMiB).toBeLessThan(64);
  });
});
