import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Store, utcDay } from './store.ts';

export interface RetentionOptions {
  readonly store: Store;
  /** Usage is kept for so many days. */
  readonly days: number;
  readonly now?: () => number;
  /** Told after a sweep that found something, or could not do its work. */
  readonly onSweep?: (sweep: Sweep) => void;
}

export interface Sweep {
  /** Usage of the days before this one is gone. */
  readonly day: string;
  readonly keys: number;
  readonly error?: unknown;
}

const DAY_MS = 86_400_000;
/** The clock may have jumped and the machine may have slept: the day is looked at more often than it changes. */
const LOOK_MS = 3_600_000;
/** Rows of one transaction: a few milliseconds. */
const ROWS = 500;

/**
 * Forgets old usage, and keys that were revoked as long ago: now and once a UTC day. The current month stays whatever the setting,
 * because quotas are counted from it.
 */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #timer: NodeJS.Timeout;
  #sweptDay = '';
  #stopped = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    this.#timer.unref();
    void this.look();
  }

  /** Sweeps when the day has changed since it last did. */
  async look(): Promise<void> {
    const { now = Date.now } = this.#options;
    const today = utcDay(now());
    if (today === this.#sweptDay) return;
    this.#sweptDay = today;
    await this.#sweep(firstDayKept(now(), this.#options.days));
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #sweep(day: string): Promise<void> {
    const { store, onSweep } = this.#options;
    try {
      let found = false;
      while (!this.#stopped && store.deleteUsage(day, ROWS)) {
        found = true;
        await nextTurn();
      }
      const keys = this.#stopped ? 0 : store.deleteRevokedKeys(Date.parse(day));
      if (found || keys > 0) onSweep?.({ day, keys });
    } catch (error) {
      // The disk may be full: the next look tries again.
      this.#sweptDay = '';
      onSweep?.({ day, keys: 0, error });
    }
  }
}

function firstDayKept(nowMs: number, days: number): string {
  const byAge = utcDay(nowMs - days * DAY_MS);
  const firstOfMonth = `${utcDay(nowMs).slice(0, 8)}01`;
  return byAge < firstOfMonth ? byAge : firstOfMonth;
}
