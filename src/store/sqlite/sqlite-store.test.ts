import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, StoreError } from '../../errors.ts';
import { createStoredKey } from '../api-key.ts';
import { openDataStore, STORE_FILE } from './open-store.ts';
import { lockDataFolder } from './server-lock.ts';
import { openSqliteStore } from './sqlite-store.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steno-sqlite-'));
  path = join(folder, STORE_FILE);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const modeOf = (name: string) => statSync(join(folder, name)).mode & 0o777;

describe('openSqliteStore', () => {
  it('makes files that only their owner can read', async () => {
    const { store } = await openDataStore(folder);
    for (const name of [STORE_FILE, `${STORE_FILE}-wal`, `${STORE_FILE}-shm`, 'pepper'])
      expect({ name, mode: modeOf(name) }).toEqual({ name, mode: 0o600 });
    store.close();
  });

  it('keeps everything over a restart, and two connections see each other', async () => {
    const one = await openDataStore(folder);
    const two = await openDataStore(folder);
    expect(two.pepper).toEqual(one.pepper);
    const before = two.store.keysVersion();
    const { row } = createStoredKey({ name: 'x', scope: 'user' }, one);
    expect(two.store.keysVersion()).not.toBe(before);
    expect(two.store.listKeys()).toEqual([row]);
    one.store.close();
    two.store.close();
    const again = await openDataStore(folder);
    expect(again.store.listKeys()).toEqual([row]);
    again.store.close();
  });

  it('E21 refuses a file that is no database, one with flipped bytes and one of a newer version', async () => {
    writeFileSync(
      path,
      'this is no database, only some text that is long enough to have a header in it'.repeat(9),
    );
    await expect(openSqliteStore(path)).rejects.toThrow(/damaged or no database/);
    rmSync(path);

    const source = join(folder, 'source.db');
    const store = await openSqliteStore(source);
    for (let index = 0; index < 300; index += 1)
      store.insertKey({
        id: `key_${index}`,
        name: 'n',
        scope: 'user',
        hash: String(index).padStart(64, '0'),
        createdMs: 1,
      });
    store.close();
    const whole = readFileSync(source);
    const damaged = Buffer.from(whole);
    damaged.fill(0xa5, 5000, 20_000);
    writeFileSync(path, damaged);
    const refusal = await openSqliteStore(path).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ConfigError);
    expect(String(refusal)).toMatch(/is damaged. Restore a copy/);

    const newer = Buffer.from(whole);
    newer.writeUInt32BE(99, 60); // user_version, https://www.sqlite.org/fileformat2.html#user_version_number
    writeFileSync(path, newer);
    await expect(openSqliteStore(path)).rejects.toThrow(/schema version 99/);
    expect(readFileSync(path)).toEqual(newer);
  });

  it('E21 goes on without the log of a process that was cut off', async () => {
    const source = join(folder, 'source.db');
    const store = await openSqliteStore(source);
    store.insertKey({ id: 'key_a', name: '', scope: 'user', hash: '1'.repeat(64), createdMs: 1 });
    store.close();
    copyFileSync(source, path);
    const again = await openSqliteStore(path);
    expect(again.listKeys()).toHaveLength(1);
    again.close();
  });

  it('loses no acknowledged row to kill -9', async () => {
    const writer = `
      import { openSqliteStore } from ${JSON.stringify(join(import.meta.dirname, 'sqlite-store.ts'))};
      const store = await openSqliteStore(${JSON.stringify(path)});
      for (let n = 0; ; n += 1) {
        store.addUsage({ requestId: 'req_' + n, keyId: 'key_a', model: 'm', format: 'json', audioMs: 1000, processingMs: 1, status: 'completed', atMs: 0 });
        process.stdout.write('.');
      }`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', writer]);
    let acknowledged = 0;
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (bytes: Buffer) => {
        acknowledged += bytes.length;
        if (acknowledged >= 50) child.kill('SIGKILL');
      });
      child.once('close', resolve);
    });
    const store = await openSqliteStore(path);
    const used = store.usedAudioMs('key_a', '1970-01-01', '1970-01-01');
    expect(acknowledged).toBeGreaterThanOrEqual(50);
    expect(used).toBeGreaterThanOrEqual(acknowledged * 1000);
    expect(store.listUsage({ fromDay: '1970-01-01', toDay: '1970-01-01' }, 1e6)).toHaveLength(used / 1000);
    store.close();
  });

  it('says that it is not well when its file is taken away', async () => {
    const store = await openSqliteStore(path);
    rmSync(path);
    expect(() => store.check()).toThrow(StoreError);
    store.close();
  });

  it('refuses keys whose pepper is gone or another one', async () => {
    const { store } = await openDataStore(folder);
    store.close();
    const pepper = readFileSync(join(folder, 'pepper'));
    rmSync(join(folder, 'pepper'));
    await expect(openDataStore(folder)).rejects.toThrow(/missing/);
    writeFileSync(join(folder, 'pepper'), 'f'.repeat(64));
    await expect(openDataStore(folder)).rejects.toThrow(/not the one/);
    writeFileSync(join(folder, 'pepper'), 'short');
    await expect(openDataStore(folder)).rejects.toThrow(/damaged/);
    writeFileSync(join(folder, 'pepper'), pepper);
    (await openDataStore(folder)).store.close();
  });
});

describe('lockDataFolder', () => {
  it('E21 lets one server in, and the next one when that has ended or was killed', async () => {
    const lock = await lockDataFolder(folder);
    await expect(lockDataFolder(folder)).rejects.toThrow(
      `Another server (process ${process.pid}) uses the data folder ${folder}`,
    );
    lock.release();

    const holder = `
      import { lockDataFolder } from ${JSON.stringify(join(import.meta.dirname, 'server-lock.ts'))};
      await lockDataFolder(${JSON.stringify(folder)});
      process.stdout.write('held');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', holder]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect(lockDataFolder(folder)).rejects.toThrow(`(process ${child.pid})`);
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
    (await lockDataFolder(folder)).release();
  });
});

describe('the driver', () => {
  it('hides the warning that SQLite is an experiment of Node, and no other', () => {
    const script = `
      import { driverName, openDatabase } from ${JSON.stringify(join(import.meta.dirname, 'driver.ts'))};
      const database = await openDatabase(':memory:');
      console.log(database.prepare('SELECT 6 * 7 AS answer').get().answer, driverName());
      process.emitWarning('another warning');`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    );
    const inside = Number(process.versions.node.split('.')[0]) >= 24;
    expect(stdout).toMatch(inside ? /^42 node:sqlite\n$/ : /^42 (?:node:|@photostructure\/)sqlite\n$/);
    expect(stderr).toContain('another warning');
    expect(stderr).not.toContain('experimental');
  });
});
