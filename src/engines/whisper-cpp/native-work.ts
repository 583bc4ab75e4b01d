import { createHook } from 'node:async_hooks';

/** Native work by its async id, and whom to tell that its callback has run. */
const waiting = new Map<number, () => void>();
/** Ids of the native work that is being queued. */
let queued: number[] | undefined;

/** Promises are followed too while it is on, so it is on only as long as there is work. */
const hook = createHook({
  init: (id, type) => {
    if (type !== 'PROMISE') queued?.push(id);
  },
  after: (id) => {
    waiting.get(id)?.();
  },
});

/**
 * Calls `start`, which queues one piece of native work, and tells when that has ended and its callback has run: for bindings whose
 * promises do not settle when the work fails.
 */
export function trackNativeWork<Result>(start: () => Result): {
  readonly result: Result;
  readonly over: Promise<undefined>;
} {
  hook.enable();
  queued = [];
  try {
    const result = start();
    const [id, ...others] = queued;
    if (id === undefined || others.length > 0)
      throw new Error(`expected one piece of native work, got ${queued.length}`);
    const over = new Promise<undefined>((resolve) => {
      waiting.set(id, () => {
        waiting.delete(id);
        if (waiting.size === 0) hook.disable();
        // The callback has settled the promise it settles; those who wait for that come first.
        setImmediate(() => resolve(undefined));
      });
    });
    return { result, over };
  } finally {
    queued = undefined;
    if (waiting.size === 0) hook.disable();
  }
}
