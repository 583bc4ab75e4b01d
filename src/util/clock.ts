/** Time for parts that wait long; tests give one that they move themselves. */
export interface Clock {
  /** Milliseconds from any fixed moment. */
  nowMs(): number;
  /** Runs `run` after a delay, unless the answered function is called before. */
  after(delayMs: number, run: () => void): () => void;
}

/** Timers of it keep no process alive. */
export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
