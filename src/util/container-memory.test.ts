import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { availableMemoryBytes, containerMemoryBytes } from './container-memory.ts';

const MIB = 1024 * 1024;
const V2 = '31 23 0:28 / /sys/fs/cgroup rw,nosuid,nodev - cgroup2 cgroup2 rw,nsdelegate\n';
const V1 =
  '30 23 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n' +
  '32 30 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n' +
  '35 30 0:32 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory\n';
/** What version 1 shows where nothing is set. */
const V1_NONE = '9223372036854771712\n';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'steno-cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A machine's files by their paths. */
function machine(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

describe('containerMemoryBytes', () => {
  it('version 2: the group of this process', () => {
    machine({
      'proc/self/cgroup': '0::/app.slice/steno.service\n',
      'proc/self/mountinfo': V2,
      'sys/fs/cgroup/app.slice/steno.service/memory.max': `${300 * MIB}\n`,
    });
    expect(containerMemoryBytes(root)).toBe(300 * MIB);
  });

  it('version 2: the smallest of all groups around it, and what is slowed down from a lower limit on', () => {
    machine({
      'proc/self/cgroup': '0::/kubepods/pod7/steno\n',
      'proc/self/mountinfo': V2,
      'sys/fs/cgroup/memory.max': 'max\n',
      'sys/fs/cgroup/kubepods/memory.max': `${900 * MIB}\n`,
      'sys/fs/cgroup/kubepods/pod7/memory.max': `${400 * MIB}\n`,
      'sys/fs/cgroup/kubepods/pod7/steno/memory.max': 'max\n',
    });
    expect(containerMemoryBytes(root)).toBe(400 * MIB);
    machine({ 'sys/fs/cgroup/kubepods/pod7/steno/memory.high': `${350 * MIB}\n` });
    expect(containerMemoryBytes(root)).toBe(350 * MIB);
  });

  it('version 2 in a container, which sees its own group as the outermost', () => {
    machine({
      'proc/self/cgroup': '0::/\n',
      'proc/self/mountinfo': V2,
      'sys/fs/cgroup/memory.max': `${256 * MIB}\n`,
    });
    expect(containerMemoryBytes(root)).toBe(256 * MIB);
  });

  it('version 1: the tree for memory alone, groups around it too', () => {
    machine({
      'proc/self/cgroup': '9:name=systemd:/\n4:memory:/system/steno\n1:cpu:/other\n0::/\n',
      'proc/self/mountinfo': V1,
      'sys/fs/cgroup/memory/memory.limit_in_bytes': V1_NONE,
      'sys/fs/cgroup/memory/system/memory.limit_in_bytes': `${700 * MIB}\n`,
      'sys/fs/cgroup/memory/system/steno/memory.limit_in_bytes': V1_NONE,
      'sys/fs/cgroup/cpu/other/memory.limit_in_bytes': '1\n',
    });
    expect(containerMemoryBytes(root)).toBe(700 * MIB);
  });

  it("version 1 in a container: the host's name of the group, mounted as the outermost", () => {
    machine({
      'proc/self/cgroup': '4:cpu,memory:/docker/0123\n',
      'proc/self/mountinfo': V1.replace('0:32 / ', '0:32 /docker/0123 '),
      'sys/fs/cgroup/memory/memory.limit_in_bytes': `${512 * MIB}\n`,
    });
    expect(containerMemoryBytes(root)).toBe(512 * MIB);
  });

  it('both versions side by side: the tree that holds memory', () => {
    machine({
      'proc/self/cgroup': '4:memory:/a\n0::/b\n',
      'proc/self/mountinfo': `${V1}38 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`,
      'sys/fs/cgroup/memory/a/memory.limit_in_bytes': `${100 * MIB}\n`,
      'sys/fs/cgroup/unified/b/cgroup.procs': '1\n',
    });
    expect(containerMemoryBytes(root)).toBe(100 * MIB);
  });

  it('no limit anywhere, a group that is not mounted, files that are missing or damaged: none', () => {
    expect(containerMemoryBytes(root)).toBeUndefined();
    machine({ 'proc/self/cgroup': '0::/a/b\n', 'proc/self/mountinfo': V2 });
    expect(containerMemoryBytes(root)).toBeUndefined();
    machine({ 'sys/fs/cgroup/a/b/memory.max': 'max\n', 'sys/fs/cgroup/a/memory.max': '\n' });
    expect(containerMemoryBytes(root)).toBeUndefined();
    machine({ 'sys/fs/cgroup/a/memory.max': '-5\n', 'sys/fs/cgroup/memory.max': 'garbage\n' });
    expect(containerMemoryBytes(root)).toBeUndefined();
    machine({ 'proc/self/cgroup': '0::/../../elsewhere\n', 'elsewhere/memory.max': '1\n' });
    expect(containerMemoryBytes(root)).toBeUndefined();
    machine({ 'proc/self/cgroup': 'what is this\n', 'proc/self/mountinfo': 'nothing known\n\n' });
    expect(containerMemoryBytes(root)).toBeUndefined();
  });
});

describe('availableMemoryBytes', () => {
  it('is no more than the machine has', () => {
    expect(availableMemoryBytes()).toBeGreaterThan(0);
    expect(availableMemoryBytes()).toBeLessThanOrEqual(totalmem());
  });
});
