import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A control group of the kernel: processes in it have so much memory together. Needs root and a writable /sys/fs/cgroup. */
export interface MemoryGroup {
  /** The process and all that it starts from now on; what it has already is not counted. */
  add(pid: number): void;
  /** The group must be empty. */
  remove(): void;
}

interface Hierarchy {
  readonly root: string;
  readonly limitFile: string;
}

/** Version 1 has a tree for memory alone, version 2 one tree for all. */
const HIERARCHIES: readonly Hierarchy[] = [
  { root: '/sys/fs/cgroup/memory', limitFile: 'memory.limit_in_bytes' },
  { root: '/sys/fs/cgroup', limitFile: 'memory.max' },
];

let groups = 0;

export function createMemoryGroup(limitBytes: number): MemoryGroup | undefined {
  for (const { root, limitFile } of HIERARCHIES) {
    groups += 1;
    const path = join(root, `steno-test-${process.pid}-${groups}`);
    try {
      mkdirSync(path);
    } catch {
      continue;
    }
    if (existsSync(join(path, limitFile))) {
      writeFileSync(join(path, limitFile), String(limitBytes));
      return {
        add: (pid) => writeFileSync(join(path, 'cgroup.procs'), String(pid)),
        remove: () => rmdirSync(path),
      };
    }
    rmdirSync(path);
  }
  return undefined;
}

/** Whether groups can be made here, and the kernel counts whom it ends. */
export const canLimitMemory = (() => {
  const group = createMemoryGroup(2 ** 30);
  group?.remove();
  return group !== undefined && /^oom_kill \d+$/m.test(readFileSync('/proc/vmstat', 'utf8'));
})();
