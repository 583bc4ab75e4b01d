export type BreakerState = 'closed' | 'open' | 'half-open';

/** `neutral` says nothing about the service: the client left, or it was asked to wait. */
export type CallOutcome = 'success' | 'failure' | 'neutral';

export interface BreakerOptions {
  /** Calls within the window before anything is judged. */
  readonly minimumCalls: number;
  /** How long nothing is let through. */
  readonly openMs: number;
  /** Default one minute. */
  readonly windowMs?: number;
  /** Share of failed calls that opens it. Default one half. */
  readonly failureRate?: number;
  /** Milliseconds that only go forward. */
  readonly now?: () => number;
}

export interface CircuitBreaker {
  readonly state: BreakerState;
  /** Milliseconds until a call may be let through again; 0 when it may now. */
  readonly waitMs: number;
  /** Undefined: not now. Otherwise tell how the call ended; the first time counts. */
  enter(): ((outcome: CallOutcome) => void) | undefined;
}

/** Keeps memory bounded; older calls count no more. */
const MOST_CALLS = 200;

/**
 * Spares a service that fails, and its callers the wait.
 *
 * `closed` (calls pass) -> `open` when at least `minimumCalls` ended within the window and `failureRate` of them failed ->
 * `half-open` after `openMs`: one call passes, all others are refused -> `closed` when it succeeds, with a fresh window, `open` again when
 * it fails; a neutral end lets the next call try. Ends of calls that were let through before the last change of state count nothing.
 */
export function createCircuitBreaker(options: BreakerOptions): CircuitBreaker {
  const {
    minimumCalls,
    openMs,
    windowMs = 60_000,
    failureRate = 0.5,
    now = () => performance.now(),
  } = options;
  let calls: { readonly atMs: number; readonly failed: boolean }[] = [];
  let openedMs: number | undefined;
  let probing = false;
  let era = 0;

  function state(): BreakerState {
    if (openedMs === undefined) return 'closed';
    return now() - openedMs >= openMs ? 'half-open' : 'open';
  }

  function open(): void {
    openedMs = now();
    probing = false;
    era += 1;
  }

  function close(): void {
    openedMs = undefined;
    probing = false;
    calls = [];
    era += 1;
  }

  function count(failed: boolean): void {
    const atMs = now();
    calls.push({ atMs, failed });
    calls = calls.filter((call) => atMs - call.atMs < windowMs).slice(-MOST_CALLS);
    const failures = calls.filter((call) => call.failed).length;
    if (failed && calls.length >= minimumCalls && failures / calls.length >= failureRate) open();
  }

  return {
    get state() {
      return state();
    },
    get waitMs() {
      if (state() === 'closed' || (state() === 'half-open' && !probing)) return 0;
      return Math.max(1000, openMs - (now() - (openedMs ?? 0)));
    },
    enter() {
      const entered = state();
      if (entered === 'open' || (entered === 'half-open' && probing)) return undefined;
      const isProbe = entered === 'half-open';
      if (isProbe) probing = true;
      const ownEra = era;
      let ended = false;
      return (outcome) => {
        if (ended) return;
        ended = true;
        if (ownEra !== era) return;
        if (isProbe) {
          probing = false;
          if (outcome === 'success') close();
          if (outcome === 'failure') open();
        } else if (outcome !== 'neutral') count(outcome === 'failure');
      };
    },
  };
}
