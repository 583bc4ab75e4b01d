import { StenographerError } from '../errors.ts';

/** Below 1 KiB/s over a minute a client holds a place without using it. */
const RATE_WINDOW_MS = 60_000;
const MINIMUM_WINDOW_BYTES = 60 * 1024;

export interface UploadPace {
  received(bytes: number): void;
  /** We are the slow side: the client is not blamed until `goOn`, and gets a fresh minute then. */
  hold(): void;
  goOn(): void;
  stop(): void;
}

/** Watches an upload from now on and calls `fail` with an `upload_timeout` when it stops or is too slow. */
export function watchPace(idleSeconds: number, fail: (error: unknown) => void): UploadPace {
  const idleMs = idleSeconds * 1000;
  let lastMs = performance.now();
  let windowStartMs = lastMs;
  let windowBytes = 0;
  let held = false;
  const timer = setInterval(check, Math.min(1000, idleMs / 4));
  timer.unref();

  function check(): void {
    if (held) return;
    const nowMs = performance.now();
    const windowIsOver = nowMs - windowStartMs >= RATE_WINDOW_MS;
    if (nowMs - lastMs >= idleMs) {
      fail(tooSlow(`sent nothing for ${idleSeconds} seconds (STENO_UPLOAD_IDLE_SECONDS)`));
    } else if (windowIsOver && windowBytes < MINIMUM_WINDOW_BYTES) {
      fail(tooSlow('sent less than 1 KiB a second for a minute'));
    } else if (windowIsOver) {
      windowStartMs = nowMs;
      windowBytes = 0;
    }
  }

  return {
    received(bytes: number): void {
      lastMs = performance.now();
      windowBytes += bytes;
    },
    hold(): void {
      held = true;
    },
    goOn(): void {
      held = false;
      lastMs = performance.now();
      windowStartMs = lastMs;
      windowBytes = 0;
    },
    stop: () => clearInterval(timer),
  };
}

function tooSlow(what: string): StenographerError {
  return new StenographerError('upload_timeout', `The upload was given up: the client ${what}.`);
}
