import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { awaitsContinue } from '../expect-continue.ts';

const DRAIN_TIMEOUT_MS = 3000;
const DRAIN_MAXIMUM_BYTES = 256 * 1024 * 1024;

/**
 * Answers given before the request body was read (401, 404, 413, 503 ...). Closing at once would reset the connection: the client
 * sees a network error instead of the answer and sends everything again. So the whole answer goes out first, what still arrives is
 * thrown away for a moment, and only then the connection closes.
 */
export function addUnreadBodyHook(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const body = request.raw;
    if (!announcesBody(body) || body.complete) return payload;
    // A small body has arrived with its headers and is complete a moment later.
    await setImmediate();
    if (body.complete || body.destroyed) return payload;
    reply.header('connection', 'close');
    if (awaitsContinue(body) || !isWhole(payload)) return payload;
    const answer = Buffer.from(payload);
    reply.header('content-length', answer.length);
    return Readable.from(lingering(answer, body));
  });
}

function announcesBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function isWhole(payload: unknown): payload is string | Buffer {
  return typeof payload === 'string' || Buffer.isBuffer(payload);
}

/** The client has its whole answer after the first piece; the end of the stream only closes the connection. */
async function* lingering(answer: Buffer, body: IncomingMessage): AsyncGenerator<Buffer> {
  yield answer;
  await drain(body);
}

function drain(body: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    const timer = setTimeout(finish, DRAIN_TIMEOUT_MS);
    body.on('data', onData).once('end', finish).once('close', finish).once('error', finish);
    body.resume();
    if (body.destroyed) finish();

    function onData(chunk: Buffer): void {
      bytes += chunk.length;
      if (bytes > DRAIN_MAXIMUM_BYTES) finish();
    }
    function finish(): void {
      clearTimeout(timer);
      body.off('data', onData).pause();
      resolve();
    }
  });
}
