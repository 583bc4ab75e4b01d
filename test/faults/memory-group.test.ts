import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryGroup, findMemoryHierarchy } from './support/memory-group.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'steno-group-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function machine(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

describe('the control groups that tests of memory use', () => {
  it('version 1: the tree for memory', () => {
    machine({
      'memory/memory.limit_in_bytes': '9223372036854771712\n',
      'cgroup.controllers': 'cpu memory\n',
    });
    expect(findMemoryHierarchy(root)).toMatchObject({
      root: join(root, 'memory'),
      limitFile: 'memory.limit_in_bytes',
    });
  });

  it('version 2: memory is asked for where groups below have none', () => {
    machine({ 'cgroup.controllers': 'cpuset cpu io memory pids\n', 'cgroup.subtree_control': 'cpu\n' });
    expect(findMemoryHierarchy(root)).toMatchObject({ root, limitFile: 'memory.max' });
    expect(readFileSync(join(root, 'cgroup.subtree_control'), 'utf8')).toBe('+memory');
    machine({ 'cgroup.subtree_control': 'cpu memory\n' });
    expect(findMemoryHierarchy(root)).toMatchObject({ root, swapFile: 'memory.swap.max' });
    expect(readFileSync(join(root, 'cgroup.subtree_control'), 'utf8')).toBe('cpu memory\n');
  });

  it('none: where nothing is mounted, memory cannot be limited, or a folder is no group', () => {
    expect(findMemoryHierarchy(root)).toBeUndefined();
    machine({ 'cgroup.controllers': 'cpu pids\n' });
    expect(findMemoryHierarchy(root)).toBeUndefined();
    machine({ 'memory/memory.limit_in_bytes': '1\n' });
    expect(createMemoryGroup(1, root)).toBeUndefined();
  });
});
