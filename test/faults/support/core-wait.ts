import { readFileSync } from 'node:fs';

/**
 * How long the main thread of a process has waited in all for a core that others had, in milliseconds; 0 where the kernel does not say.
 * What a limit in milliseconds promises, it promises of the product: this is the machine's part.
 */
function coreWaitMs(pid: number): number {
  try {
    // Nanoseconds on a core, nanoseconds of waiting for one, turns.
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

export interface Timing {
  readonly tookMs: number;
  /** Of that, without the time in which this process or the server wanted a core and had none. */
  readonly ownMs: number;
}

/** How long a request to a server of another process takes. */
export async function timeRequest(serverId: number, request: () => Promise<unknown>): Promise<Timing> {
  const waitedMs = (): number => coreWaitMs(serverId) + coreWaitMs(process.pid);
  const [startMs, before] = [performance.now(), waitedMs()];
  await request();
  const tookMs = performance.now() - startMs;
  return { tookMs, ownMs: Math.max(0, tookMs - (waitedMs() - before)) };
}

/** `share` from 0 to 1. */
export function percentile(figures: readonly number[], share: number): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN;
}
