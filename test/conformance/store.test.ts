import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../src/store/memory-store.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { KeyRow, Store, UsageRow } from '../../src/store/store.ts';

const STORES: Readonly<Record<string, (folder: string) => Promise<Store>>> = {
  'the memory store': async () => createMemoryStore(),
  'the SQLite store': (folder) => openSqliteStore(join(folder, 'store.db')),
};

const NOON = Date.parse('2026-03-15T12:00:00Z');

function key(id: string, more: Partial<KeyRow> = {}): KeyRow {
  return { id, name: id, scope: 'user', hash: id.padEnd(64, '0'), createdMs: NOON, ...more };
}

let requests = 0;

function row(more: Partial<UsageRow> = {}): UsageRow {
  requests += 1;
  return {
    requestId: `req_${requests}`,
    keyId: 'key_a',
    model: 'moonshine-tiny',
    format: 'json',
    audioMs: 1000,
    processingMs: 10,
    status: 'completed',
    atMs: NOON,
    ...more,
  };
}

for (const [name, open] of Object.entries(STORES))
  describe(name, () => {
    let folder: string;
    let store: Store;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'steno-store-'));
      store = await open(folder);
    });

    afterEach(async () => {
      store.close();
      await rm(folder, { recursive: true });
    });

    it('keeps keys as they were given, oldest first', () => {
      const second = key('key_b', { createdMs: NOON + 1, scope: 'admin', requestsPerMinute: 60 });
      const first = key('key_a', { audioSecondsPerDay: 0, audioSecondsPerMonth: 3600 });
      store.insertKey(second);
      store.insertKey(first);
      expect(store.listKeys()).toEqual([first, second]);
    });

    it('refuses a second key with the same id or hash', () => {
      store.insertKey(key('key_a'));
      expect(() => store.insertKey(key('key_a', { hash: 'f'.repeat(64) }))).toThrow();
      expect(() => store.insertKey(key('key_b', { hash: key('key_a').hash }))).toThrow();
      expect(store.listKeys()).toEqual([key('key_a')]);
    });

    it('revokes a key once, and never an unknown one', () => {
      store.insertKey(key('key_a'));
      expect(store.revokeKey('key_a', NOON + 5)).toBe(true);
      expect(store.revokeKey('key_a', NOON + 6)).toBe(false);
      expect(store.revokeKey('key_b', NOON)).toBe(false);
      expect(store.listKeys()).toMatchObject([{ revokedMs: NOON + 5 }]);
    });

    it('has another version after each change of keys, and only then', () => {
      const versions = [store.keysVersion()];
      store.insertKey(key('key_a'));
      versions.push(store.keysVersion());
      store.revokeKey('key_a', NOON);
      versions.push(store.keysVersion());
      expect(new Set(versions).size).toBe(3);
      store.addUsage(row());
      expect(store.keysVersion()).toBe(versions.at(-1));
    });

    it('sums usage by day, key and model, to the millisecond', () => {
      const dayMs = 86_400_000;
      store.addUsage(row({ audioMs: 1234 }));
      store.addUsage(row({ audioMs: 1, status: 'stopped' }));
      store.addUsage(row({ audioMs: 500, model: 'other' }));
      store.addUsage(row({ audioMs: 700, keyId: 'key_b' }));
      store.addUsage(row({ audioMs: 900, atMs: NOON + dayMs }));
      const whole = { fromDay: '2026-03-15', toDay: '2026-03-16' };
      expect(store.sumUsage(whole)).toEqual([
        { day: '2026-03-15', keyId: 'key_a', model: 'moonshine-tiny', requests: 2, audioMs: 1235 },
        { day: '2026-03-15', keyId: 'key_a', model: 'other', requests: 1, audioMs: 500 },
        { day: '2026-03-15', keyId: 'key_b', model: 'moonshine-tiny', requests: 1, audioMs: 700 },
        { day: '2026-03-16', keyId: 'key_a', model: 'moonshine-tiny', requests: 1, audioMs: 900 },
      ]);
      expect(store.usedAudioMs('key_a', '2026-03-15', '2026-03-15')).toBe(1735);
      expect(store.usedAudioMs('key_a', '2026-03-01', '2026-03-31')).toBe(2635);
      expect(store.usedAudioMs('key_c', '2026-03-01', '2026-03-31')).toBe(0);
      expect(store.sumUsage({ ...whole, keyId: 'key_b' })).toHaveLength(1);
      expect(store.sumUsage({ fromDay: '2026-04-01', toDay: '2026-04-02' })).toEqual([]);
    });

    it('counts a request id once', () => {
      const same = row({ audioMs: 4000 });
      store.addUsage(same);
      store.addUsage({ ...same, audioMs: 9000 });
      expect(store.usedAudioMs('key_a', '2026-03-15', '2026-03-15')).toBe(4000);
    });

    it('draws the line between days at midnight UTC', () => {
      store.addUsage(row({ atMs: Date.parse('2026-03-15T23:59:59.999Z'), audioMs: 1 }));
      store.addUsage(row({ atMs: Date.parse('2026-03-16T00:00:00.000Z'), audioMs: 2 }));
      expect(store.usedAudioMs('key_a', '2026-03-15', '2026-03-15')).toBe(1);
      expect(store.usedAudioMs('key_a', '2026-03-16', '2026-03-16')).toBe(2);
    });

    it('lists single rows, newest first', () => {
      const rows = [0, 1, 2].map((minute) => row({ atMs: NOON + minute * 60_000 }));
      for (const each of rows) store.addUsage(each);
      const query = { fromDay: '2026-03-15', toDay: '2026-03-15' };
      expect(store.listUsage(query, 2)).toEqual([rows[2], rows[1]]);
      expect(store.listUsage({ ...query, keyId: 'key_b' }, 2)).toEqual([]);
    });

    it('forgets the usage of days before one, rows and sums, some at a time', () => {
      const days = ['2026-03-13', '2026-03-14', '2026-03-15'];
      for (const day of days)
        for (const keyId of ['key_a', 'key_b'])
          store.addUsage(row({ keyId, atMs: Date.parse(`${day}T23:59:59.999Z`), audioMs: 7 }));
      let calls = 0;
      while (store.deleteUsage('2026-03-15', 3)) calls += 1;
      expect(calls).toBeGreaterThan(1);
      const all = { fromDay: '2026-03-01', toDay: '2026-03-31' };
      expect(store.sumUsage(all).map(({ day }) => day)).toEqual(['2026-03-15', '2026-03-15']);
      expect(store.listUsage(all, 10)).toHaveLength(2);
      expect(store.usedAudioMs('key_a', '2026-03-01', '2026-03-31')).toBe(7);
      expect(store.deleteUsage('2026-03-15', 3)).toBe(false);
    });

    it('forgets revoked keys that have no usage any more, and tells that keys have changed', () => {
      for (const id of ['key_a', 'key_b', 'key_c', 'key_d']) store.insertKey(key(id));
      for (const id of ['key_a', 'key_b']) store.revokeKey(id, NOON);
      store.revokeKey('key_c', NOON + 10);
      store.addUsage(row({ keyId: 'key_b' }));
      const before = store.keysVersion();
      expect(store.deleteRevokedKeys(NOON + 5)).toBe(1);
      expect(store.keysVersion()).not.toBe(before);
      expect(store.listKeys().map(({ id }) => id)).toEqual(['key_b', 'key_c', 'key_d']);
      expect(store.deleteRevokedKeys(NOON + 5)).toBe(0);
    });

    it('never forgets the last key: without any the server would be open', () => {
      store.insertKey(key('key_a'));
      store.insertKey(key('key_b', { createdMs: NOON + 1 }));
      for (const id of ['key_a', 'key_b']) store.revokeKey(id, NOON + 2);
      expect(store.deleteRevokedKeys(NOON + 5)).toBe(1);
      expect(store.deleteRevokedKeys(NOON + 5)).toBe(0);
      expect(store.listKeys().map(({ id }) => id)).toEqual(['key_b']);
    });

    it('keeps the first mark of the pepper', () => {
      expect(store.pepperMark()).toBeUndefined();
      store.setPepperMark('abc');
      store.setPepperMark('def');
      expect(store.pepperMark()).toBe('abc');
    });

    it('is well', () => {
      expect(() => store.check()).not.toThrow();
    });
  });
