import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedFolder } from './cache.ts';

let directory = '';
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'steno-cache-')), 'graphs');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A cache user that counts how often it builds. */
function user(key: string, content = key, name = 'sample') {
  const builds = { count: 0 };
  const get = () =>
    cachedFolder({
      directory,
      name,
      key: [key, '1'],
      build: async (folder) => {
        builds.count += 1;
        await writeFile(join(folder, 'graph'), content);
        await writeFile(join(folder, 'weights'), `weights of ${content}`);
      },
    });
  return { get, builds };
}

const graphOf = (folder: string): Promise<string> => readFile(join(folder, 'graph'), 'utf8');

describe('cachedFolder', () => {
  it('builds once and finds the files again', async () => {
    const { get, builds } = user('a');
    const folder = await get();
    expect(await get()).toBe(folder);
    expect(await graphOf(folder)).toBe('a');
    expect(await readFile(join(folder, 'weights'), 'utf8')).toBe('weights of a');
    expect(builds.count).toBe(1);
  });

  it('rebuilds a folder of which a file was cut short, changed or lost', async () => {
    const { get, builds } = user('a');
    const folder = await get();
    await truncate(join(folder, 'weights'), 0);
    expect(await graphOf(await get())).toBe('a');
    await writeFile(join(folder, 'graph'), 'b');
    expect(await graphOf(await get())).toBe('a');
    await rm(join(folder, 'graph'));
    expect(await graphOf(await get())).toBe('a');
    await rm(join(folder, 'sha256'));
    expect(await graphOf(await get())).toBe('a');
    expect(builds.count).toBe(5);
  });

  it('builds anew under another key and removes what the old one left', async () => {
    const old = await user('old').get();
    await mkdir(`${old}.999999999.00000000-0000-0000-0000-000000000000.tmp`);
    await writeFile(join(directory, 'sample-of-somebody'), 'not ours');
    const folder = await user('new').get();
    expect(folder).not.toBe(old);
    const left = (await readdir(directory)).map((file) => join(directory, file)).sort();
    expect(left).toEqual([folder, join(directory, 'sample-of-somebody')].sort());
  });

  it('keeps the folders of other things, until nobody has opened them for long', async () => {
    const kept = await user('a', 'a', 'other').get();
    const forgotten = await user('a', 'a', 'forgotten').get();
    const longAgo = new Date(Date.now() - 100 * 24 * 60 * 60 * 1000);
    await utimes(forgotten, longAgo, longAgo);
    const folder = await user('a').get();
    const left = (await readdir(directory)).map((file) => join(directory, file)).sort();
    expect(left).toEqual([folder, kept].sort());
  });

  it('gives every one of many callers at once whole files and leaves no temporaries', async () => {
    const callers = Array.from({ length: 8 }, () => user('shared', 'x'.repeat(100_000)));
    const folders = await Promise.all(callers.map(({ get }) => get()));
    expect(new Set(folders).size).toBe(1);
    expect((await graphOf(folders[0] ?? '')).length).toBe(100_000);
    expect((await readdir(directory)).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });

  it('waits for a process that is building the same, and builds itself when that one dies', async () => {
    const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const { get, builds } = user('a');
    // Where the folder will be: built once to learn its name.
    const folder = await get();
    await rm(folder, { recursive: true });
    const temporary = `${folder}.${other.pid}.00000000-0000-0000-0000-000000000000.tmp`;
    await mkdir(temporary);
    const waiting = get();
    expect(await Promise.race([waiting, sleep(200)])).toBeUndefined();
    expect(builds.count).toBe(1);
    other.kill('SIGKILL');
    expect(await waiting).toBe(folder);
    expect(builds.count).toBe(2);
    expect(await readdir(directory)).toEqual([basename(folder)]);
  });

  it('leaves nothing behind when building fails', async () => {
    await mkdir(directory, { recursive: true });
    const build = () => Promise.reject(new Error('no weights'));
    await expect(cachedFolder({ directory, name: 'sample', key: [], build })).rejects.toThrow('no weights');
    expect(await readdir(directory)).toEqual([]);
  });
});
