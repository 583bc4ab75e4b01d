import { StenographerError } from '../errors.ts';

const RATE_WINDOW_MS = 60_000;

export interface PaceLimits {
  readonly idleSeconds: number;
  /** Over a minute. */
  readonly minimumBytesPerSecond: number;
}

export interface UploadPace {
  received(bytes: number): void;
  /** We are the slow side: the client is not blamed until `goOn`, and gets a fresh minute then. */
  hold(): void;
  goOn(): void;
  stop(): void;
}

/** Watches an upload from now on and calls `fail` with an `upload_timeout` when it stops or is too slow. */
export function watchPace(limits: PaceLimits, fail: (error: unknown) => void): UploadPace {
  const { idleSeconds, minimumBytesPerSecond } = limits;
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
    } else if (windowIsOver && windowBytes < (minimumBytesPerSecond * RATE_WINDOW_MS) / 1000) {
      fail(
        tooSlow(
          `sent less than ${minimumBytesPerSecond} bytes a second for a minute (STENO_UPLOAD_MIN_BYTES_PER_SECOND)`,
        ),
      );
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
