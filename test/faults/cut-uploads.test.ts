import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataStore } from '../../src/store/sqlite/open-store.ts';
import { randomNumbers } from '../support/audio-fixtures.ts';
import { BOUNDARY, encodeForm, filePart, RawConnection } from '../support/multipart.ts';
import { byTier } from '../support/tier.ts';
import { hasProcessTable, openFiles } from './support/process-table.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const MIB = 1024 * 1024;
const SEED = 20_261_123;
const { cuts, wholeBytes, trickleSeconds } = byTier({
  fast: { cuts: 12, wholeBytes: 8 * MIB, trickleSeconds: 3 },
  nightly: { cuts: 50, wholeBytes: 299_000_000, trickleSeconds: 70 },
});
const TYPE = `Content-Type: multipart/form-data; boundary=${BOUNDARY}`;
const HEAD = encodeForm([filePart(Buffer.alloc(0))]).subarray(0, -`\r\n--${BOUNDARY}--\r\n`.length);

let server: StubServer;
beforeAll(async () => {
  server = await startStubServer();
});
afterAll(() => server.stop());

function begin(): RawConnection {
  const connection = new RawConnection(server.port);
  connection.socket.on('error', () => {});
  return connection.post([TYPE, `Content-Length: ${HEAD.length + wholeBytes}`]).write(HEAD);
}

/** Sends so many bytes of the file, then nothing more. */
async function sendBytes({ socket }: RawConnection, bytes: number): Promise<void> {
  const piece = Buffer.alloc(MIB, 'a');
  for (let left = bytes; left > 0; left -= piece.length)
    await new Promise<void>((resolve) => socket.write(piece.subarray(0, left), () => resolve()));
}

/** Files and connections that the server has open, beside what it always has. */
function openNow(): number {
  return openFiles(server.pid).filter((path) => path.includes('scratch') || path.startsWith('socket:'))
    .length;
}

describe.skipIf(!hasProcessTable)(`E7 cut uploads, seed ${SEED}`, () => {
  it(`at ${cuts} places of ${wholeBytes} bytes: no file, no descriptor, no row of usage stays`, {
    timeout: 1_200_000,
  }, async () => {
    const random = randomNumbers(SEED);
    expect((await server.post(scripted('answer'))).status).toBe(200);
    const before = openNow();
    for (let cut = 0; cut < cuts; cut += 1) {
      // The first byte, the last ones, and places in between.
      const at = cut === 0 ? 1 : cut === 1 ? wholeBytes - 1 : Math.floor(random() * wholeBytes);
      const connection = begin();
      await sendBytes(connection, at);
      await expect.poll(server.scratch, { interval: 5 }).not.toEqual([]);
      if (cut % 2 === 0) connection.close();
      else connection.socket.resetAndDestroy();
      await expect.poll(server.scratch, { interval: 5 }).toEqual([]);
    }
    // Our own client keeps a connection or two alive between requests.
    await expect.poll(openNow).toBeLessThanOrEqual(before);
    const { store } = await openDataStore(server.dataDir);
    try {
      const everything = { fromDay: '2000-01-01', toDay: '2100-01-01' };
      expect(store.listUsage(everything, 100)).toHaveLength(1);
    } finally {
      store.close();
    }
    expect((await server.post(scripted('answer'))).status).toBe(200);
    expect(server.log()).not.toMatch(/unhandled|uncaught|"level":"(error|fatal)"/i);
  });

  it(`a trickle of 5 kB a second is taken as long as it comes (${trickleSeconds} s), and leaves nothing when it ends`, {
    timeout: 300_000,
  }, async () => {
    const connection = begin();
    const endMs = performance.now() + trickleSeconds * 1000;
    while (performance.now() < endMs) {
      connection.write(Buffer.alloc(1000, 'a'));
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(connection.socket.destroyed).toBe(false);
    }
    expect(server.scratch()).not.toEqual([]);
    connection.close();
    await expect.poll(server.scratch).toEqual([]);
  });
});
