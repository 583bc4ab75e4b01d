/** Share of one core below which the process computes nothing. */
const IDLE_SHARE = 0.02;

/**
 * Tells a slow computation on other threads from one that hangs, for neither says anything: the slow one uses processor time. What
 * spins without end is found by the time it takes.
 */
export class Pulse {
  readonly #longestMs: number;
  readonly #read: () => ProcessorReading;
  readonly #startMs: number;
  #last: ProcessorReading;

  /** `read` tells the time and what this process has used; by default the system's own figures. */
  constructor(longestMs: number, read: () => ProcessorReading = readProcessor) {
    this.#longestMs = longestMs;
    this.#read = read;
    this.#last = read();
    this.#startMs = this.#last.nowMs;
  }

  /** Whether there was work since the last call. */
  beats(): boolean {
    const [last, { nowMs, usedMs }] = [this.#last, this.#read()];
    this.#last = { nowMs, usedMs };
    const share = (usedMs - last.usedMs) / Math.max(nowMs - last.nowMs, 1);
    return share > IDLE_SHARE && nowMs - this.#startMs < this.#longestMs;
  }
}

/** Milliseconds of a clock, and of processor time over all threads. */
export interface ProcessorReading {
  readonly nowMs: number;
  readonly usedMs: number;
}

function readProcessor(): ProcessorReading {
  const { user, system } = process.cpuUsage();
  return { nowMs: performance.now(), usedMs: (user + system) / 1000 };
}
