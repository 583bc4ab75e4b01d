import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A control group of the kernel: processes in it have so much memory together. Needs root and a writable /sys/fs/cgroup. */
export interface MemoryGroup {
  /** The process and all that it starts from now on; what it has already is not counted. */
  add(pid: number): void;
  /** Processes that the kernel has ended in it for want of memory; undefined where it does not count them by group. */
  kills(): number | undefined;
  /** The group must be empty. */
  remove(): void;
}

export interface MemoryHierarchy {
  readonly root: string;
  readonly limitFile: string;
  /** What else must be set so that swap does not take the place of memory. */
  readonly swapFile: string;
  /** Has a line `oom_kill N`. */
  readonly eventsFile: string;
}

/** Version 1 has a tree for memory alone, version 2 one tree for all, in which memory may have to be asked for. `root`: /sys/fs/cgroup. */
export function findMemoryHierarchy(root: string): MemoryHierarchy | undefined {
  if (existsSync(join(root, 'memory', 'memory.limit_in_bytes')))
    return {
      root: join(root, 'memory'),
      limitFile: 'memory.limit_in_bytes',
      swapFile: 'memory.swappiness',
      eventsFile: 'memory.oom_control',
    };
  if (!wordsOf(join(root, 'cgroup.controllers')).includes('memory')) return undefined;
  const handedOn = join(root, 'cgroup.subtree_control');
  try {
    if (!wordsOf(handedOn).includes('memory')) writeFileSync(handedOn, '+memory');
  } catch {
    // A group that has processes of its own, or is not ours.
    return undefined;
  }
  return { root, limitFile: 'memory.max', swapFile: 'memory.swap.max', eventsFile: 'memory.events' };
}

let groups = 0;

export function createMemoryGroup(limitBytes: number, root = '/sys/fs/cgroup'): MemoryGroup | undefined {
  const hierarchy = findMemoryHierarchy(root);
  if (hierarchy === undefined) return undefined;
  groups += 1;
  const path = join(hierarchy.root, `steno-test-${process.pid}-${groups}`);
  try {
    mkdirSync(path);
  } catch {
    return undefined;
  }
  if (!existsSync(join(path, hierarchy.limitFile))) {
    rmdirSync(path);
    return undefined;
  }
  writeFileSync(join(path, hierarchy.limitFile), String(limitBytes));
  if (existsSync(join(path, hierarchy.swapFile))) writeFileSync(join(path, hierarchy.swapFile), '0');
  return {
    add: (pid) => writeFileSync(join(path, 'cgroup.procs'), String(pid)),
    kills: () => countOf(readFileSync(join(path, hierarchy.eventsFile), 'utf8')),
    remove: () => rmdirSync(path),
  };
}

function countOf(events: string): number | undefined {
  const count = /^oom_kill (\d+)$/m.exec(events)?.[1];
  return count === undefined ? undefined : Number(count);
}

function wordsOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split(/\s+/);
  } catch {
    return [];
  }
}

/** Whether groups can be made here, and the kernel counts whom it ends. */
export const canLimitMemory = (() => {
  const group = createMemoryGroup(2 ** 30);
  group?.remove();
  return group !== undefined && /^oom_kill \d+$/m.test(readFileSync('/proc/vmstat', 'utf8'));
})();
