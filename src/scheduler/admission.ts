import { QueueFullError, RateLimitError, ShuttingDownError, TooManyUploadsError } from '../errors.ts';

/** A request on its way through the house: it arrives, and with its whole body here it enters. */
export interface Arrival {
  /** Takes a place. Throws QueueFullError. */
  enter(): void;
  /** Gives the place back and stays: the request goes on elsewhere. */
  exit(): void;
  /** Gives back all that is held; calling it twice is fine. */
  leave(): void;
}

/**
 * Counts requests in the house; the limits are exact and refusals are immediate. Uploads do not take places: a client that sends
 * slowly must keep nobody out. While all places are taken nobody may arrive, so that no body is read in vain.
 */
export interface Admission {
  /** Throws QueueFullError, TooManyUploadsError, RateLimitError for a key that is in too often, ShuttingDownError. */
  arrive(key?: string): Arrival;
  /** Requests that hold a place now. */
  readonly size: number;
  /** Requests that have arrived and hold no place yet. */
  readonly arriving: number;
  /** From now on `arrive` throws ShuttingDownError; who has arrived may still enter. */
  close(): void;
  /** Resolves when nobody is in the house any more. */
  idle(): Promise<void>;
}

export interface AdmissionOptions {
  /** Places. */
  readonly limit: number;
  /** Most requests that may be arriving at once. Default no limit. */
  readonly arriving?: number;
  /** Most requests of one key, arriving or with a place; 0 is no limit. Default 0. */
  readonly perKey?: number;
  /** Let requests arrive while all places are taken, because they may be served elsewhere. Default false. */
  readonly arriveWhenFull?: boolean;
}

export function createAdmission(options: AdmissionOptions): Admission {
  const {
    limit,
    arriving: mostArriving = Number.POSITIVE_INFINITY,
    perKey = 0,
    arriveWhenFull = false,
  } = options;
  const keys = new Map<string, number>();
  let size = 0;
  let arriving = 0;
  let closed = false;
  let waiters: (() => void)[] = [];

  function check(key: string | undefined): void {
    if (closed) throw new ShuttingDownError();
    if (size >= limit && !arriveWhenFull) throw new QueueFullError(limit);
    if (arriving >= mostArriving) throw new TooManyUploadsError(mostArriving);
    if (key !== undefined && perKey > 0 && (keys.get(key) ?? 0) >= perKey)
      throw new RateLimitError(
        `This key already has ${perKey} requests in work, the limit set by STENO_MAX_REQUESTS_PER_KEY. Try again shortly.`,
        1,
      );
  }

  function count(key: string | undefined, change: 1 | -1): void {
    if (key === undefined) return;
    const next = (keys.get(key) ?? 0) + change;
    if (next === 0) keys.delete(key);
    else keys.set(key, next);
  }

  return {
    arrive(key) {
      check(key);
      count(key, 1);
      arriving += 1;
      let state: 'arriving' | 'inside' | 'gone' = 'arriving';
      return {
        enter() {
          if (state !== 'arriving') return;
          if (size >= limit) throw new QueueFullError(limit);
          state = 'inside';
          arriving -= 1;
          size += 1;
        },
        exit() {
          if (state !== 'inside') return;
          state = 'arriving';
          size -= 1;
          arriving += 1;
        },
        leave() {
          if (state === 'gone') return;
          if (state === 'inside') size -= 1;
          else arriving -= 1;
          state = 'gone';
          count(key, -1);
          if (size + arriving > 0) return;
          for (const wake of waiters) wake();
          waiters = [];
        },
      };
    },
    get size() {
      return size;
    },
    get arriving() {
      return arriving;
    },
    close() {
      closed = true;
    },
    idle() {
      return size + arriving === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve));
    },
  };
}
