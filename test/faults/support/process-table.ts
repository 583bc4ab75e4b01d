import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the kernel says about processes; Linux only. The server under test is never asked. */
export const hasProcessTable = existsSync('/proc/self/stat');

interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  /** Clock ticks of processor time used, of 10 ms each. */
  readonly ticks: number;
}

function rowOf(pid: number): ProcessRow | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
    return { pid, parent: Number(fields[1]), command, ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined;
  }
}

export function processes(): ProcessRow[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => rowOf(Number(name)) ?? []);
}

/** Living children of a process, theirs too. */
export function descendantsOf(pid: number): ProcessRow[] {
  const all = processes();
  const below = (parent: number): ProcessRow[] =>
    all.filter((row) => row.parent === parent).flatMap((row) => [row, ...below(row.pid)]);
  return below(pid);
}

export function isAlive(pid: number): boolean {
  return rowOf(pid) !== undefined;
}

/** Seconds of processor time that the processes have used. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (rowOf(pid)?.ticks ?? 0), 0) / 100;
}

/** Gone, or using less than a twentieth of a core, as seen over so many milliseconds. */
export async function isAtRest(pid: number, lookMs = 400): Promise<boolean> {
  if (!isAlive(pid)) return true;
  const [before, startMs] = [cpuSeconds([pid]), performance.now()];
  await sleep(lookMs);
  return (cpuSeconds([pid]) - before) / ((performance.now() - startMs) / 1000) < 0.05;
}

/** Paths of the files a process has open. */
export function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      return [];
    }
  });
}

/** Resident memory of a process. */
export function residentMiB(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes ?? 0) / 1024;
}
