import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wavRecording } from '../support/gateway.ts';
import { BOUNDARY, encodeForm, filePart, RawConnection, textPart } from '../support/multipart.ts';
import { hasProcessTable, residentMiB } from './support/process-table.ts';
import { type StubServer, startStubServer } from './support/running-server.ts';

const MIB = 1024 * 1024;
const SIZE_MIB = 300;
const KEY = 'sk-only-for-the-upstream';

let sink: Server;
let server: StubServer;
/** What the upstream got, one entry a request. */
const received: { bytes: number; tail: string; authorization: string | undefined }[] = [];

beforeAll(async () => {
  sink = createServer(async (request, response) => {
    let bytes = 0;
    let tail = Buffer.alloc(0);
    for await (const piece of request) {
      bytes += (piece as Buffer).length;
      tail = Buffer.concat([tail, piece as Buffer]).subarray(-20);
    }
    received.push({ bytes, tail: tail.toString('latin1'), authorization: request.headers.authorization });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"text":"long"}');
  });
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(sink.address() as AddressInfo).port}/v1`;
  server = await startStubServer({
    settings: {
      STENO_UPSTREAMS: JSON.stringify({ far: { baseUrl, apiKeyEnv: 'FAR_KEY' } }),
      STENO_ROUTES: JSON.stringify({ remote: ['far/large'] }),
      FAR_KEY: KEY,
    },
  });
});

afterAll(async () => {
  await server.stop();
  sink.closeAllConnections();
  sink.close();
});

describe.skipIf(!hasProcessTable)('a large recording for an upstream', () => {
  it(`${SIZE_MIB} MiB pass through with at most 100 MiB more memory`, async () => {
    const small = wavRecording(1);
    for (let warmUp = 0; warmUp < 10; warmUp += 1)
      expect((await server.post(small, { fields: { model: 'remote' } })).status).toBe(200);
    const baselineMiB = residentMiB(server.pid);
    let peakMiB = 0;
    const timer = setInterval(() => {
      peakMiB = Math.max(peakMiB, residentMiB(server.pid));
    }, 20);
    const head = encodeForm([textPart('model', 'remote'), filePart(Buffer.from(small.subarray(0, 44)))]);
    const tail = `\r\n--${BOUNDARY}--\r\n`;
    const connection = new RawConnection(server.port)
      .post([
        `Content-Type: multipart/form-data; boundary=${BOUNDARY}`,
        `Content-Length: ${head.length + SIZE_MIB * MIB}`,
      ])
      .write(head.subarray(0, -tail.length));
    const piece = Buffer.alloc(MIB, 1);
    for (let sent = 0; sent < SIZE_MIB; sent += 1)
      await new Promise<void>((resolve) => connection.socket.write(piece, () => resolve()));
    const { status, body } = await connection.write(tail).response();
    clearInterval(timer);
    connection.close();
    expect({ status, body }).toEqual({ status: 200, body: '{"text":"long"}' });
    const last = received.at(-1);
    expect(last?.bytes).toBeGreaterThan(SIZE_MIB * MIB);
    expect(last?.tail).toMatch(/--\r\n$/);
    expect(last?.authorization).toBe(`Bearer ${KEY}`);
    console.log(`${(peakMiB - baselineMiB).toFixed(0)} MiB more for ${SIZE_MIB} MiB`);
    expect(peakMiB - baselineMiB).toBeLessThan(100);
    await expect.poll(server.scratch).toEqual([]);
    expect(server.log()).not.toContain(KEY);
  });
});
