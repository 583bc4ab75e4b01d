import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';

const LOOKS_A_LIMIT = 4;

/**
 * Cuts an answer whose reader takes nothing for so long: until then it holds a place, and a stream its upload too. Memory is bounded
 * anyway, since streams wait for the socket.
 */
export function addSlowReaderHook(
  app: FastifyInstance,
  { idleSeconds }: { readonly idleSeconds: number },
): void {
  app.addHook('onSend', async (request, reply, payload) => {
    // The client has left before there was an answer: nothing would ever end the watch, and it would keep the request.
    if (reply.raw.destroyed) return payload;
    const stop = watchReader(reply.raw, idleSeconds, () => {
      request.log.warn(
        { idleSeconds },
        'an answer was not read (STENO_READ_IDLE_SECONDS), its connection is cut',
      );
    });
    reply.raw.once('close', stop);
    return payload;
  });
}

function watchReader(response: ServerResponse, idleSeconds: number, onCut: () => void): () => void {
  let sentBytes = 0;
  let stuckSinceMs: number | undefined;
  const timer = setInterval(
    () => {
      const { socket } = response;
      if (socket === null) return;
      // What the kernel has taken; a socket without anything to write waits for us, not for its reader.
      const takenBytes = socket.bytesWritten - socket.writableLength;
      const waits = socket.writableLength > 0 && takenBytes === sentBytes;
      sentBytes = takenBytes;
      if (!waits) stuckSinceMs = undefined;
      else stuckSinceMs ??= performance.now();
      if (stuckSinceMs === undefined || performance.now() - stuckSinceMs < idleSeconds * 1000) return;
      onCut();
      socket.destroy();
    },
    (idleSeconds * 1000) / LOOKS_A_LIMIT,
  );
  timer.unref();
  return () => clearInterval(timer);
}
