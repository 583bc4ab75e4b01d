import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedFile } from './cache.ts';

let directory = '';
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'steno-cache-')), 'graphs');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A cache user that counts how often it builds. */
function user(key: string, content = key) {
  const builds = { count: 0 };
  const get = () =>
    cachedFile({
      directory,
      name: 'sample.onnx',
      key: [key, '1'],
      build: () => {
        builds.count += 1;
        return new TextEncoder().encode(content);
      },
    });
  return { get, builds };
}

describe('cachedFile', () => {
  it('builds once and finds the file again', async () => {
    const { get, builds } = user('a');
    const path = await get();
    expect(await get()).toBe(path);
    expect(await readFile(path, 'utf8')).toBe('a');
    expect(builds.count).toBe(1);
  });

  it('rebuilds a file that was cut short, changed or lost its sum', async () => {
    const { get, builds } = user('a');
    const path = await get();
    await truncate(path, 0);
    expect(await readFile(await get(), 'utf8')).toBe('a');
    await writeFile(path, 'b');
    expect(await readFile(await get(), 'utf8')).toBe('a');
    await rm(`${path}.sha256`);
    expect(await readFile(await get(), 'utf8')).toBe('a');
    expect(builds.count).toBe(4);
  });

  it('builds anew under another key and removes what the old one left', async () => {
    const old = await user('old').get();
    await writeFile(`${old}.999999999.00000000-0000-0000-0000-000000000000.tmp`, 'of a dead process');
    await writeFile(join(directory, 'sample-of-somebody.onnx'), 'not ours');
    const path = await user('new').get();
    expect(path).not.toBe(old);
    const left = await readdir(directory);
    expect(left.sort()).toEqual(
      [path, `${path}.sha256`, join(directory, 'sample-of-somebody.onnx')]
        .map((file) => file.slice(directory.length + 1))
        .sort(),
    );
  });

  it('gives every one of many callers at once a whole file and leaves no temporaries', async () => {
    const callers = Array.from({ length: 8 }, () => user('shared', 'x'.repeat(100_000)));
    const paths = await Promise.all(callers.map(({ get }) => get()));
    expect(new Set(paths).size).toBe(1);
    expect((await readFile(paths[0] ?? '', 'utf8')).length).toBe(100_000);
    expect((await readdir(directory)).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });

  it('leaves nothing behind when building fails', async () => {
    await mkdir(directory, { recursive: true });
    const build = () => Promise.reject(new Error('no weights'));
    await expect(cachedFile({ directory, name: 'sample.onnx', key: [], build })).rejects.toThrow(
      'no weights',
    );
    expect(await readdir(directory)).toEqual([]);
  });
});
