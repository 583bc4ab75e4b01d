export interface Turns {
  /** The processor time of the longest one, in milliseconds. */
  readonly longest: number;
  /** That of all together. */
  readonly sum: number;
}

/**
 * The turns of the event loop while the work is done: how long everybody else of this process waits for it. It is processor time, so that
 * what other programs of the machine take is not in it.
 */
export async function turnsMs(work: () => Promise<unknown>): Promise<Turns> {
  const start = process.cpuUsage();
  let isDone = false;
  let longest = 0;
  let before = process.cpuUsage();
  const look = (): void => {
    longest = Math.max(longest, milliseconds(process.cpuUsage(before)));
    before = process.cpuUsage();
    if (!isDone) setImmediate(look);
  };
  setImmediate(look);
  await work();
  isDone = true;
  look();
  return { longest, sum: milliseconds(process.cpuUsage(start)) };
}

function milliseconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}
