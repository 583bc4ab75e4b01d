import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join, posix } from 'node:path';

/** Memory that this process may use: the machine's, or less where a control group of the kernel (a container) gives less. In bytes. */
export function availableMemoryBytes(): number {
  return Math.min(totalmem(), containerMemoryBytes() ?? Number.POSITIVE_INFINITY);
}

/**
 * The smallest memory limit, in bytes, of the control group of this process and of all groups around it, version 1 or 2; undefined
 * where there is none. Node's own `process.constrainedMemory()` looks at the innermost group alone, and a limit is often set further
 * out: on a pod, on a slice of systemd. `root` is the folder of the system's `/proc` and `/sys`. Source: man 7 cgroups, man 5 proc;
 * Documentation/admin-guide/cgroup-v2.rst of the kernel.
 */
export function containerMemoryBytes(root = '/'): number | undefined {
  const groups = readLines(join(root, 'proc/self/cgroup'));
  const mounts = readLines(join(root, 'proc/self/mountinfo')).flatMap((line) => parseMount(line) ?? []);
  const limits = mounts.flatMap((mount) => {
    const path = groupOf(groups, mount.version);
    return path === undefined ? [] : limitsBetween(root, mount, path);
  });
  return limits.length === 0 ? undefined : Math.min(...limits);
}

interface GroupMount {
  readonly version: 1 | 2;
  /** Which group lies at the mount point: not always the outermost. */
  readonly group: string;
  readonly point: string;
}

/** `id parent major:minor group point options [tags] - type source options`, of the trees that limit memory. */
function parseMount(line: string): GroupMount | undefined {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , group, point] = before.split(' ');
  const [type, , options = ''] = after.split(' ');
  if (group === undefined || point === undefined) return undefined;
  if (type === 'cgroup2') return { version: 2, group, point };
  const limitsMemory = type === 'cgroup' && options.split(',').includes('memory');
  return limitsMemory ? { version: 1, group, point } : undefined;
}

/** The path of this process's group: `0::/path` in version 2, `4:memory:/path` in version 1. */
function groupOf(lines: readonly string[], version: 1 | 2): string | undefined {
  for (const line of lines) {
    const [, controllers = '', path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    const isWanted = version === 2 ? controllers === '' : controllers.split(',').includes('memory');
    if (isWanted && path !== undefined) return path;
  }
  return undefined;
}

const LIMIT_FILES = { 1: ['memory.limit_in_bytes'], 2: ['memory.max', 'memory.high'] } as const;
/** Version 1 has no word for "none": it shows the largest number of whole pages. */
const NO_LIMIT_BYTES = 2 ** 60;

/** The limits of the group and of those around it, as far as they can be seen from here. */
function limitsBetween(root: string, { version, group, point }: GroupMount, path: string): number[] {
  const inside = posix.relative(group, path);
  // A group outside of what is mounted, as where a container sees the host's names: the mount point is as near as it gets.
  const names = inside === '' || inside.startsWith('..') ? [] : inside.split('/');
  const folders = Array.from({ length: names.length + 1 }, (_, count) => names.slice(0, count).join('/'));
  return folders.flatMap((folder) =>
    LIMIT_FILES[version].flatMap((file) => {
      const [text = ''] = readLines(join(root, point, folder, file));
      const bytes = /^\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
      return bytes > 0 && bytes < NO_LIMIT_BYTES ? [bytes] : [];
    }),
  );
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}
