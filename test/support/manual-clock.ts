import type { Clock } from '../../src/util/clock.ts';

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Moves the time on and runs what is due, in order. */
  advance(seconds: number): Promise<void>;
}

export function createManualClock(): ManualClock {
  let nowMs = 1_000_000;
  let timers: { readonly atMs: number; readonly run: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    after(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
    async advance(seconds) {
      const endMs = nowMs + seconds * 1000;
      while (true) {
        const due = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
        if (due === undefined) break;
        timers = timers.filter((each) => each !== due);
        nowMs = due.atMs;
        due.run();
        await settle();
      }
      nowMs = endMs;
      await settle();
    },
  };
}

/** Lets promises that are settled run their continuations. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
