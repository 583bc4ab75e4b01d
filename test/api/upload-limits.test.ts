import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bestOf, timeMs } from '../support/best-of.ts';
import {
  BOUNDARY,
  encodeForm,
  expectEnvelope,
  filePart,
  RawConnection,
  type RawResponse,
} from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const LIMIT = 5 * 1024 * 1024;
const TYPE = `Content-Type: multipart/form-data; boundary=${BOUNDARY}`;
const EMPTY_FORM_BYTES = encodeForm([filePart(Buffer.alloc(0))]).length;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ config: { maxUploadBytes: LIMIT, uploadIdleSeconds: 30 } });
});

afterEach(async () => {
  await expect.poll(() => server.scratchFiles()).toEqual([]);
});

afterAll(() => server.close());

function bodyOf(bytes: number): Buffer {
  return encodeForm([filePart(Buffer.alloc(bytes - EMPTY_FORM_BYTES, 'a'))]);
}

function chunked(body: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let start = 0; start < body.length; start += 60_000) {
    const piece = body.subarray(start, start + 60_000);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
}

async function send(headers: readonly string[], body: Buffer) {
  const connection = new RawConnection(server.port).post([TYPE, ...headers]).write(body);
  const answer = await connection.response();
  connection.close();
  return answer;
}

describe('the upload limit', () => {
  it('C41 counts the whole body exactly, with Content-Length', async () => {
    for (const [bytes, status] of [
      [LIMIT - 1, 200],
      [LIMIT, 200],
      [LIMIT + 1, 413],
    ] as const) {
      const answer = await send([`Content-Length: ${bytes}`], bodyOf(bytes));
      expect({ bytes, status: answer.status }).toEqual({ bytes, status });
    }
  });

  it('C41 the refusal is delivered, names limit and setting, and ends the connection', async () => {
    const body = bodyOf(LIMIT);
    let answer: RawResponse | undefined;
    const refuse = async (): Promise<void> => {
      const connection = new RawConnection(server.port).post([TYPE, `Content-Length: ${LIMIT * 20}`]);
      answer = await connection.write(body).response();
      connection.close();
    };
    expect(await bestOf('R1: refused after ms', 200, () => timeMs(refuse))).toBeLessThan(200);
    if (answer === undefined) throw new Error('no answer');
    const message = expectEnvelope(answer, { status: 413, code: 'file_too_large', param: 'file' });
    expect(message).toContain(String(LIMIT));
    expect(message).toContain('STENO_MAX_UPLOAD_BYTES');
    expect(answer.headers.get('connection')).toBe('close');
  });

  it('C41 a client that sends everything before it reads still gets the answer', async () => {
    const body = bodyOf(LIMIT * 4);
    const connection = new RawConnection(server.port).post([TYPE, `Content-Length: ${body.length}`]);
    connection.socket.pause();
    await new Promise<void>((resolve, reject) => {
      connection.socket.write(body, (error) => (error ? reject(error) : resolve()));
    });
    connection.socket.resume();
    expectEnvelope(await connection.response(), { status: 413 });
    connection.close();
  });

  it('C42 counts while reading, without Content-Length', async () => {
    for (const [bytes, status] of [
      [LIMIT, 200],
      [LIMIT + 1, 413],
    ] as const) {
      const answer = await send(['Transfer-Encoding: chunked'], chunked(bodyOf(bytes)));
      expect({ bytes, status: answer.status }).toEqual({ bytes, status });
      if (status === 413) expectEnvelope(answer, { status, code: 'file_too_large' });
    }
  });

  it('C41 C42 with fetch, which reports a reset as a network error', async () => {
    const bodies = [bodyOf(LIMIT + 1), new Blob([bodyOf(LIMIT * 3)]).stream()];
    for (const body of bodies) {
      const response = await fetch(`${server.url}/v1/audio/transcriptions`, {
        method: 'POST',
        headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
        body,
        duplex: 'half',
      } as RequestInit);
      expect(response.status).toBe(413);
      expect(await response.text()).toContain('file_too_large');
    }
  });
});

describe('R1 the limit of a body', () => {
  it('is exact without a length too', async () => {
    for (const [bytes, status] of [
      [LIMIT - 1, 200],
      [LIMIT, 200],
      [LIMIT + 1, 413],
    ] as const) {
      const answer = await send(['Transfer-Encoding: chunked'], chunked(bodyOf(bytes)));
      expect({ bytes, status: answer.status }).toEqual({ bytes, status });
    }
  });

  it('is known from the length: refused within 200 ms, before a byte of the body has come', async () => {
    const refused = async (): Promise<number> =>
      timeMs(async () => {
        const connection = new RawConnection(server.port).post([TYPE, `Content-Length: ${LIMIT + 1}`]);
        expectEnvelope(await connection.response(), { status: 413, code: 'file_too_large' });
        connection.close();
      });
    expect(await bestOf('R1: a declared excess, ms', 200, refused)).toBeLessThan(200);
  });
});

describe('Expect: 100-continue', () => {
  it('C43 is answered within 100 ms, before the body; then the upload goes on', async () => {
    const body = bodyOf(LIMIT);
    const upload = async (): Promise<number> => {
      const connection = new RawConnection(server.port);
      let interim = '';
      const tookMs = await timeMs(async () => {
        connection.post([TYPE, `Content-Length: ${body.length}`, 'Expect: 100-continue']);
        interim = await connection.until((received) => received.includes('\r\n\r\n'));
      });
      expect(interim).toMatch(/^HTTP\/1\.1 100 Continue\r\n/);
      expect((await connection.write(body).response()).status).toBe(200);
      connection.close();
      return tookMs;
    };
    expect(await bestOf('C43: told to go on after ms', 100, upload)).toBeLessThan(100);
  });

  it('C44 is refused with 413 when the length is over the limit, and the connection ends', async () => {
    const connection = new RawConnection(server.port);
    connection.post([TYPE, `Content-Length: ${LIMIT + 1}`, 'Expect: 100-continue']);
    const answer = await connection.response();
    expectEnvelope(answer, { status: 413, code: 'file_too_large' });
    expect(answer.raw).not.toContain('100 Continue');
    await connection.until(() => false);
  });
});

describe('slow uploads', () => {
  it('one that stops gets a 408 after the idle time, and its place is free again', async () => {
    const impatient = await startTestServer({ config: { uploadIdleSeconds: 1 } });
    const connection = new RawConnection(impatient.port).post([TYPE, 'Content-Length: 100000']);
    connection.write(bodyOf(2000).subarray(0, 1000));
    const startMs = performance.now();
    expectEnvelope(await connection.response(), { status: 408, code: 'upload_timeout' });
    expect(performance.now() - startMs).toBeGreaterThan(900);
    connection.close();
    await expect.poll(() => impatient.services.admission.size).toBe(0);
    await expect.poll(() => impatient.scratchFiles()).toEqual([]);
    await impatient.close();
  });
});
