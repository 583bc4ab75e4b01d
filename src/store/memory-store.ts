import { StoreError } from '../errors.ts';
import { type KeyRow, type Store, type UsageQuery, type UsageRow, type UsageSum, utcDay } from './store.ts';

/** A store that ends with the process: for tests, and for commands that need none. */
export function createMemoryStore(): Store {
  const keys = new Map<string, KeyRow>();
  const usage = new Map<string, UsageRow>();
  let mark: string | undefined;
  let version = 0;
  return {
    pepperMark: () => mark,
    setPepperMark(value) {
      mark ??= value;
    },
    listKeys: () => [...keys.values()].sort((left, right) => left.createdMs - right.createdMs),
    insertKey(key) {
      if ([...keys.values()].some(({ id, hash }) => id === key.id || hash === key.hash))
        throw new StoreError(new Error('the key is there already'));
      keys.set(key.id, key);
      version += 1;
    },
    revokeKey(id, atMs) {
      const key = keys.get(id);
      if (key === undefined || key.revokedMs !== undefined) return false;
      keys.set(id, { ...key, revokedMs: atMs });
      version += 1;
      return true;
    },
    keysVersion: () => String(version),
    addUsage(...rows) {
      for (const row of rows) if (!usage.has(row.requestId)) usage.set(row.requestId, row);
      return Promise.resolve();
    },
    usedAudioMs: (keyId, fromDay, toDay) =>
      matching({ keyId, fromDay, toDay }).reduce((sum, row) => sum + row.audioMs, 0),
    sumUsage: (query) => sumRows(matching(query)),
    listUsage: (query, limit) => matching(query).reverse().slice(0, limit),
    deleteUsage(day, most) {
      const old = [...usage.values()].filter((row) => utcDay(row.atMs) < day).slice(0, most);
      for (const { requestId } of old) usage.delete(requestId);
      return old.length > 0;
    },
    deleteRevokedKeys(beforeMs) {
      const used = new Set([...usage.values()].map(({ keyId }) => keyId));
      const revoked = (key: KeyRow): boolean => key.revokedMs !== undefined;
      const all = [...keys.values()].sort((left, right) => left.createdMs - right.createdMs);
      const kept = all.findLast((key) => !revoked(key)) ?? all.at(-1);
      const old = all.filter(
        (key) => (key.revokedMs ?? Infinity) < beforeMs && !used.has(key.id) && key !== kept,
      );
      for (const { id } of old) keys.delete(id);
      if (old.length > 0) version += 1;
      return old.length;
    },
    check() {},
    close() {},
  };

  function matching({ keyId, fromDay, toDay }: UsageQuery): UsageRow[] {
    return [...usage.values()].filter((row) => {
      const day = utcDay(row.atMs);
      return (keyId === undefined || row.keyId === keyId) && fromDay <= day && day <= toDay;
    });
  }
}

function sumRows(rows: readonly UsageRow[]): UsageSum[] {
  const sums = new Map<string, UsageSum>();
  for (const { atMs, keyId, model, audioMs } of rows) {
    const day = utcDay(atMs);
    const group = JSON.stringify([day, keyId, model]);
    const sum = sums.get(group) ?? { day, keyId, model, requests: 0, audioMs: 0 };
    sums.set(group, { ...sum, requests: sum.requests + 1, audioMs: sum.audioMs + audioMs });
  }
  return [...sums].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, sum]) => sum);
}
