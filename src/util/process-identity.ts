import { readFileSync } from 'node:fs';

/** Whether a process with this id runs now, whoever's it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Clock ticks from boot to the start of a process (man 5 proc, field 22); "-" where that is not known. Process ids come back, after a
 * restart of a container even at once: the time of the start tells two owners of one id apart.
 */
export function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-';
  } catch {
    return '-';
  }
}
