import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryStore } from './memory-store.ts';
import { Retention, type Sweep } from './retention.ts';
import { type Store, utcDay } from './store.ts';
import { createUsageMeter } from './usage-meter.ts';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-03-20T12:00:00Z');
const ALL = { fromDay: '2000-01-01', toDay: '2100-01-01' };

let retention: Retention | undefined;
afterEach(() => retention?.stop());

function fill(store: Store, daysAgo: readonly number[]): void {
  for (const days of daysAgo)
    void store.addUsage({
      requestId: `req_${days}`,
      keyId: 'key_a',
      model: 'moonshine-tiny',
      format: 'json',
      audioMs: 1000,
      processingMs: 1,
      status: 'completed',
      atMs: NOW - days * DAY_MS,
    });
}

function daysOf(store: Store): string[] {
  return store.sumUsage(ALL).map(({ day }) => day);
}

/** Keeps usage by a clock that the test moves. */
function keep(store: Store, days: number) {
  const clock = { nowMs: NOW };
  const sweeps: Sweep[] = [];
  retention = new Retention({ store, days, now: () => clock.nowMs, onSweep: (sweep) => sweeps.push(sweep) });
  return { clock, sweeps, retention };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
}

describe('Retention', () => {
  it('forgets what is older than so many days at the start, and one day more each day', async () => {
    const store = createMemoryStore();
    fill(store, [0, 39, 40, 41, 400]);
    const { clock, sweeps, retention } = keep(store, 40);
    await settled();
    expect(daysOf(store)).toEqual(
      [39, 40]
        .map((days) => utcDay(NOW - days * DAY_MS))
        .reverse()
        .concat(utcDay(NOW)),
    );
    expect(sweeps).toEqual([{ day: utcDay(NOW - 40 * DAY_MS), keys: 0 }]);
    await retention.look();
    expect(sweeps).toHaveLength(1);
    clock.nowMs += DAY_MS;
    await retention.look();
    expect(daysOf(store)).toEqual([utcDay(NOW - 39 * DAY_MS), utcDay(NOW)]);
  });

  it('never touches the month that quotas are counted from', async () => {
    const store = createMemoryStore();
    fill(store, [0, 10, 19, 20]);
    const limits = { audioSecondsPerDay: 10, audioSecondsPerMonth: 100 };
    const meter = createUsageMeter({ store, now: () => NOW });
    const before = meter.quotas({ keyId: 'key_a', limits });
    keep(store, 1);
    await settled();
    expect(meter.quotas({ keyId: 'key_a', limits })).toEqual(before);
    expect(daysOf(store)).toEqual(['2026-03-01', '2026-03-10', '2026-03-20']);
  });

  it('forgets keys that were revoked as long ago and used by nobody since', async () => {
    const store = createMemoryStore();
    const key = { name: '', scope: 'user', createdMs: 0 } as const;
    for (const id of ['key_old', 'key_new', 'key_used', 'key_live'])
      store.insertKey({ ...key, id, hash: id });
    store.revokeKey('key_old', NOW - 50 * DAY_MS);
    store.revokeKey('key_new', NOW - 30 * DAY_MS);
    const { sweeps } = keep(store, 40);
    await settled();
    expect(store.listKeys().map(({ id }) => id)).toEqual(['key_new', 'key_used', 'key_live']);
    expect(sweeps).toEqual([{ day: utcDay(NOW - 40 * DAY_MS), keys: 1 }]);
  });

  it('tries again when the store fails', async () => {
    const store = createMemoryStore();
    fill(store, [100]);
    let fails = true;
    const failing: Store = {
      ...store,
      deleteUsage(day, most) {
        if (fails) throw new Error('the disk is full');
        return store.deleteUsage(day, most);
      },
    };
    const { sweeps, retention } = keep(failing, 40);
    await settled();
    expect(sweeps[0]?.error).toBeInstanceOf(Error);
    fails = false;
    await retention.look();
    expect(daysOf(store)).toEqual([]);
  });

  it('leaves the event loop free between its pieces', async () => {
    const store = createMemoryStore();
    fill(
      store,
      Array.from({ length: 3000 }, (_, index) => 100 + index),
    );
    keep(store, 40);
    await nextTurn();
    expect(daysOf(store).length).toBeGreaterThan(0);
    await settled();
    expect(daysOf(store)).toEqual([]);
  });
});
