import { Readable } from 'node:stream';

const KEEP_ALIVE_MS = 15_000;

export interface EventStreamOptions {
  /** The last event when `events` throws: by then the status is sent. */
  readonly onError: (error: unknown) => object;
  readonly keepAliveMs?: number;
}

/**
 * Server-sent events in OpenAI's framing: only `data:` lines, CRLF everywhere, `[DONE]` last. Silent stretches get comment lines,
 * which all clients skip. The stream waits for a slow reader, and ends `events` when the reader leaves.
 */
export function eventStream(events: AsyncIterable<object>, options: EventStreamOptions): Readable {
  return Readable.from(frames(events, options), { objectMode: false });
}

async function* frames(events: AsyncIterable<object>, options: EventStreamOptions): AsyncGenerator<string> {
  const iterator = events[Symbol.asyncIterator]();
  const keepAliveMs = options.keepAliveMs ?? KEEP_ALIVE_MS;
  try {
    while (true) {
      const next = iterator.next();
      while (!(await settlesWithin(next, keepAliveMs))) yield ': keep-alive\r\n\r\n';
      const result = await next;
      if (result.done === true) break;
      yield frame(JSON.stringify(result.value));
    }
    yield frame('[DONE]');
  } catch (error) {
    yield frame(JSON.stringify(options.onError(error)));
  } finally {
    await iterator.return?.();
  }
}

function frame(data: string): string {
  return `data: ${data}\r\n\r\n`;
}

/** Whether a promise settles, either way, within the time. */
export async function settlesWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
