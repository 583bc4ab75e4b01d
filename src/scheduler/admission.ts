import { QueueFullError, ShuttingDownError } from '../errors.ts';

/** Counts requests in the house; the limit is exact and refusals are immediate. */
export interface Admission {
  /** Takes a place until the returned function is called (calling it twice is fine). Throws QueueFullError, ShuttingDownError. */
  enter(): () => void;
  /** Requests that hold a place now. */
  readonly size: number;
  /** From now on `enter` throws ShuttingDownError. */
  close(): void;
  /** Resolves when nobody holds a place any more. */
  idle(): Promise<void>;
}

export function createAdmission(options: { readonly limit: number }): Admission {
  let size = 0;
  let closed = false;
  let waiters: (() => void)[] = [];
  return {
    enter() {
      if (closed) throw new ShuttingDownError();
      if (size >= options.limit) throw new QueueFullError(options.limit);
      size += 1;
      let left = false;
      return () => {
        if (left) return;
        left = true;
        size -= 1;
        if (size > 0) return;
        for (const wake of waiters) wake();
        waiters = [];
      };
    },
    get size() {
      return size;
    },
    close() {
      closed = true;
    },
    idle() {
      return size === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve));
    },
  };
}
