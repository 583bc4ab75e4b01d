import { type AnswerFacts, answerFacts } from './answer.ts';
import { createEventRelay } from './sse-relay.ts';
import { ConnectionError, type RawAnswer } from './upstream-client.ts';

/** How long a stream without a first byte may still become another attempt; afterwards its status is told. */
const FIRST_BYTE_MS = 5000;

/** Server-sent events, as they come. */
export interface EventAnswer extends AnswerFacts {
  readonly kind: 'events';
  /** Whole events in the service's own bytes. To be read once; throws when the stream breaks off. */
  readonly body: AsyncIterable<Buffer>;
  /** Seconds of audio that the events have told so far. */
  readonly toldSecond: number | undefined;
  /** Whether the service has sent an error event itself. */
  readonly sawError: boolean;
  /** Resolves when the connection is free or closed, whoever ended it. */
  readonly closed: Promise<void>;
}

/** Waits for the first byte, so that a stream that breaks before it counts as no answer; throws that. */
export async function openEvents(raw: RawAnswer, explain: (error: unknown) => unknown): Promise<EventAnswer> {
  const iterator = raw.body[Symbol.asyncIterator]();
  const first = iterator.next();
  const begun = await within(first, FIRST_BYTE_MS);
  if (begun?.done === true) throw new ConnectionError('invalid', 'empty_stream');
  const relay = createEventRelay();
  return {
    ...answerFacts(raw),
    kind: 'events',
    closed: raw.closed,
    get toldSecond() {
      return relay.toldSecond;
    },
    get sawError() {
      return relay.saw.error;
    },
    body: (async function* () {
      try {
        for (let next = await first; next.done !== true; next = await iterator.next()) {
          const whole = relay.push(next.value);
          if (whole.length > 0) yield whole;
        }
        const rest = relay.end();
        if (rest.length > 0) yield rest;
      } catch (error) {
        throw explain(
          error instanceof RangeError ? new ConnectionError('invalid', 'event_too_large') : error,
        );
      } finally {
        raw.cancel();
      }
    })(),
  };
}

/** What a promise gives within the time; undefined when it takes longer. Throws what it throws until then. */
async function within<Value>(promise: Promise<Value>, timeoutMs: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, undefined);
  });
  // A failure after the time is for whoever reads the stream.
  promise.catch(() => {});
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
