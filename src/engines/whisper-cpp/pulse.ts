/** Share of one core below which the process computes nothing. */
const IDLE_SHARE = 0.02;

/**
 * Tells a slow computation on other threads from one that hangs, for neither says anything: the slow one uses processor time. What
 * spins without end is found by the time it takes.
 */
export class Pulse {
  readonly #longestMs: number;
  readonly #startMs = performance.now();
  #atMs = this.#startMs;
  #usedMs = usedMs();

  constructor(longestMs: number) {
    this.#longestMs = longestMs;
  }

  /** Whether there was work since the last call. */
  beats(): boolean {
    const [nowMs, used] = [performance.now(), usedMs()];
    const share = (used - this.#usedMs) / Math.max(nowMs - this.#atMs, 1);
    this.#atMs = nowMs;
    this.#usedMs = used;
    return share > IDLE_SHARE && nowMs - this.#startMs < this.#longestMs;
  }
}

function usedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
