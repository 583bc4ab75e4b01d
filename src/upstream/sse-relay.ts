import { jsonObject, toldSeconds } from './wire.ts';

/** One event may hold a whole transcript with its log probabilities. */
const MAXIMUM_EVENT_BYTES = 8 * 1024 * 1024;

export interface EventRelay {
  /** Bytes of whole events that can be passed on now; what is left of the chunk waits for the rest of its event. Throws RangeError for an event without end. */
  push(chunk: Buffer): Buffer;
  /** What waits still, when the stream has ended in order. */
  end(): Buffer;
  /** Seconds of audio that an event has told. */
  readonly toldSecond: number | undefined;
  /** Whether an event was an error, or the stream has said that it is over. */
  readonly saw: { readonly error: boolean; readonly done: boolean };
}

/**
 * Passes server-sent events on byte by byte, but only whole ones: when the connection breaks inside an event, the client must not see
 * half of it before the error that follows. Events are read beside that for their usage, never changed.
 */
export function createEventRelay(): EventRelay {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let toldSecond: number | undefined;
  const saw = { error: false, done: false };

  function read(events: Buffer): void {
    for (const line of events.toString('utf8').split(/\r\n|\n|\r/)) {
      if (!line.startsWith('data:')) continue;
      const data = line.slice(5).trim();
      if (data === '[DONE]') saw.done = true;
      // Deltas are many and tell nothing.
      if (!data.includes('"usage"') && !data.includes('"duration"') && !data.includes('"error"')) continue;
      const event = jsonObject(data);
      if (event === undefined) continue;
      if (event.type === 'transcript.text.done') toldSecond = toldSeconds(event) ?? toldSecond;
      if (typeof event.error === 'object' && event.error !== null) saw.error = true;
    }
  }

  return {
    saw,
    get toldSecond() {
      return toldSecond;
    },
    push(chunk) {
      waiting.push(chunk);
      waitingBytes += chunk.length;
      if (waitingBytes > MAXIMUM_EVENT_BYTES)
        throw new RangeError(`an event is longer than ${MAXIMUM_EVENT_BYTES} bytes`);
      // An event ends with a line; without a line end there is nothing to look for.
      if (!chunk.includes('\n') && !chunk.includes('\r')) return Buffer.alloc(0);
      const all = waiting.length === 1 ? chunk : Buffer.concat(waiting);
      const end = lastEventEnd(all);
      const whole = all.subarray(0, end);
      const rest = all.subarray(end);
      waiting = rest.length === 0 ? [] : [rest];
      waitingBytes = rest.length;
      read(whole);
      return whole;
    },
    end() {
      const rest = Buffer.concat(waiting);
      waiting = [];
      waitingBytes = 0;
      read(rest);
      return rest;
    },
  };
}

const ENDS = ['\r\n\r\n', '\n\n', '\r\r'];

/** Where the last whole event ends; 0 when none does. */
function lastEventEnd(bytes: Buffer): number {
  return Math.max(
    ...ENDS.map((blankLine) => {
      const start = bytes.lastIndexOf(blankLine);
      return start < 0 ? 0 : start + blankLine.length;
    }),
  );
}
