import { RateLimiterMemory } from 'rate-limiter-flexible';

/** Where somebody stands in the current window. */
export interface WindowState {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Until the window ends and the whole limit is there again. */
  readonly resetSecond: number;
}

/** Counts events in windows of fixed length, one for each name, that begin with the first event. */
export interface RateWindow {
  /** Counts one event; the answer is exact however many ask at once. */
  take(name: string, limit: number): Promise<WindowState>;
  /** The state without counting. */
  look(name: string, limit: number): Promise<WindowState>;
}

export const MINUTE_SECONDS = 60;

/**
 * Windows live in this process and end by a timer: a clock that is set back cannot prolong one, one that is set forward ends it
 * early, once. A restart begins new windows.
 */
export function createRateWindow(windowSeconds = MINUTE_SECONDS): RateWindow {
  // Limits differ between names and may change, so the comparison is ours.
  const counter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: windowSeconds });
  return {
    async take(name, limit) {
      const { consumedPoints, msBeforeNext } = await counter.consume(name);
      return stateOf(consumedPoints, limit, msBeforeNext);
    },
    async look(name, limit) {
      const found = await counter.get(name);
      return stateOf((found?.consumedPoints ?? 0) + 1, limit, found?.msBeforeNext ?? 0);
    },
  };

  function stateOf(count: number, limit: number, endsInMs: number): WindowState {
    return {
      allowed: count <= limit,
      limit,
      remaining: Math.max(0, limit - count),
      resetSecond: Math.min(windowSeconds, Math.max(0.001, endsInMs / 1000)),
    };
  }
}
