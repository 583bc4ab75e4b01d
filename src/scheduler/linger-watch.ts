import type { FromProcess } from './inference-protocol.ts';

/** A cancelled computation that cannot be stopped may go on for so long: the core is to be free within 2 s (R11). */
const LONGEST_MS = 1500;

export interface LingerWatchOptions {
  /** Whether the process holds tasks that are wanted. */
  readonly isHolding: () => boolean;
  /** Told when it is free again. */
  readonly onFree: () => void;
  /** Told when it goes on too long over what nobody wants. */
  readonly onTooLong: () => void;
}

/**
 * Knows whether a process lingers over cancelled work. Until it has answered a cancel it may, so that the next task is not given to a
 * process that has to end something first.
 */
export class LingerWatch {
  readonly #options: LingerWatchOptions;
  readonly #unanswered = new Set<number>();
  #lingers = false;
  #cancelledMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LingerWatchOptions) {
    this.#options = options;
  }

  get isFree(): boolean {
    return !this.#lingers && this.#unanswered.size === 0;
  }

  /** A task that the process held was cancelled. */
  cancelled(id: number): void {
    this.#cancelledMs = performance.now();
    this.#unanswered.add(id);
  }

  /** The process says how it is. */
  told({ lingering = false, cancelled }: Extract<FromProcess, { type: 'alive' }>): void {
    const wasFree = this.isFree;
    if (cancelled !== undefined) this.#unanswered.delete(cancelled);
    this.#lingers = lingering;
    this.#look();
    if (this.isFree && !wasFree) this.#options.onFree();
  }

  /** A task has come to its end. */
  finished(): void {
    this.#look();
  }

  /** Another process takes its place, or none. */
  forget(): void {
    this.#lingers = false;
    this.#unanswered.clear();
    clearTimeout(this.#timer);
  }

  #look(): void {
    clearTimeout(this.#timer);
    if (!this.#lingers || this.#options.isHolding()) return;
    const leftMs = Math.max(0, this.#cancelledMs + LONGEST_MS - performance.now());
    this.#timer = setTimeout(this.#options.onTooLong, leftMs);
    this.#timer.unref();
  }
}
