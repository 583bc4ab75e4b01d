import { afterEach, describe, expect, it, vi } from 'vitest';
import { QuotaExceededError, StoreError } from '../errors.ts';
import { createMemoryStore } from './memory-store.ts';
import { createUsageMeter } from './usage-meter.ts';

const NOON = Date.parse('2026-03-15T12:00:00Z');
const DAY_MS = 86_400_000;
const account = { keyId: 'key_a', limits: { audioSecondsPerDay: 100 } };

let requests = 0;
function done(second: number) {
  requests += 1;
  return {
    requestId: `req_${requests}`,
    model: 'm',
    format: 'json',
    audioMs: second * 1000,
    processingMs: 5,
    status: 'completed' as const,
  };
}

afterEach(() => vi.useRealTimers());

describe('createUsageMeter', () => {
  it('R10 N pass and N + 1 is refused, also of 100 at once with the end of each unknown', async () => {
    const store = createMemoryStore();
    const meter = createUsageMeter({ store, now: () => NOON });
    const running = Array.from({ length: 100 }, () => meter.reserve(account));
    let held = 0;
    for (const second of [1, 2, 3])
      for (const reservation of running)
        try {
          reservation.grow(second);
          held += 1;
        } catch (error) {
          expect(error).toBeInstanceOf(QuotaExceededError);
        }
    expect(held).toBe(100);
    expect(() => meter.check(account)).toThrow(QuotaExceededError);
    await Promise.all(running.map((reservation) => reservation.settle(done(1))));
    expect(store.usedAudioMs('key_a', '2026-03-15', '2026-03-15')).toBe(100_000);
    expect(() => meter.check(account)).toThrow(/100 seconds of audio a day: 100 s are used/);
  });

  it('gives back what was held and not used', () => {
    const meter = createUsageMeter({ store: createMemoryStore(), now: () => NOON });
    const failed = meter.reserve(account);
    failed.grow(100);
    expect(() => meter.reserve(account).grow(1)).toThrow(QuotaExceededError);
    void failed.settle();
    const other = meter.reserve(account);
    other.grow(100);
    void other.settle(done(40));
    void other.settle(done(40));
    expect(meter.quotas(account)).toMatchObject([{ period: 'day', limit: 100, used: 40 }]);
    expect(() => meter.reserve(account).grow(60)).not.toThrow();
  });

  it('counts days and months apart, in UTC', () => {
    const store = createMemoryStore();
    const limits = { audioSecondsPerDay: 10, audioSecondsPerMonth: 15 };
    let now = Date.parse('2026-03-30T23:59:59Z');
    const meter = createUsageMeter({ store, now: () => now });
    const use = (second: number): void => {
      const reservation = meter.reserve({ keyId: 'key_a', limits });
      reservation.grow(second);
      void reservation.settle(done(second));
    };
    use(10);
    expect(() => use(0.001)).toThrow(/a day/);
    now += 1000;
    use(5);
    expect(() => use(1)).toThrow(/a month/);
    now += DAY_MS;
    use(10);
    expect(meter.quotas({ keyId: 'key_a', limits })).toEqual([
      { period: 'day', limit: 10, used: 10, resetMs: Date.parse('2026-04-02') },
      { period: 'month', limit: 15, used: 10, resetMs: Date.parse('2026-05-01') },
    ]);
  });

  it('says whether waiting helps', () => {
    let now = NOON;
    const meter = createUsageMeter({ store: createMemoryStore(), now: () => now });
    const limits = { audioSecondsPerDay: 1 };
    const wait = (): number | undefined => {
      try {
        meter.reserve({ keyId: 'key_a', limits }).grow(2);
      } catch (error) {
        return (error as QuotaExceededError).retryAfterSecond;
      }
      throw new Error('the quota was not exceeded');
    };
    expect(wait()).toBeUndefined();
    now = Date.parse('2026-03-15T23:59:30Z');
    expect(wait()).toBe(30);
  });

  it('R26 a clock that jumps loses no second and makes none', async () => {
    const store = createMemoryStore();
    let now = NOON;
    const meter = createUsageMeter({ store, now: () => now });
    const settled: Promise<void>[] = [];
    for (const jump of [3_600_000, -3_600_000, DAY_MS, -DAY_MS, 10 * DAY_MS]) {
      const reservation = meter.reserve(account);
      reservation.grow(10);
      now += jump;
      settled.push(reservation.settle(done(10)));
      now -= jump;
    }
    expect(meter.quotas(account)).toMatchObject([{ used: 20 }]);
    await Promise.all(settled);
    expect(meter.quotas(account)).toMatchObject([{ used: 20 }]);
    expect(store.usedAudioMs('key_a', '2026-01-01', '2026-12-31')).toBe(50_000);
    meter.reserve(account).grow(80);
    expect(() => meter.check(account)).toThrow(QuotaExceededError);
  });

  it('counts rows that the store could not take yet, and writes them when it can', async () => {
    vi.useFakeTimers();
    const store = createMemoryStore();
    let broken = true;
    const failures: number[] = [];
    const meter = createUsageMeter({
      now: () => NOON,
      onUnwritten: (_error, rows) => failures.push(rows),
      store: {
        ...store,
        addUsage(...rows) {
          if (broken) throw new StoreError(new Error('disk is full'));
          return store.addUsage(...rows);
        },
      },
    });
    for (let index = 0; index < 2; index += 1) {
      const reservation = meter.reserve(account);
      reservation.grow(50);
      await reservation.settle(done(50));
    }
    expect(meter.unwritten).toBe(2);
    expect(failures).toEqual([1, 2]);
    expect(() => meter.check(account)).toThrow(QuotaExceededError);
    broken = false;
    vi.advanceTimersByTime(1000);
    expect(meter.unwritten).toBe(0);
    expect(store.usedAudioMs('key_a', '2026-03-15', '2026-03-15')).toBe(100_000);
  });

  it('writes together what ends while the disk is busy, and tells each request when its row is there', async () => {
    const store = createMemoryStore();
    const disk: DiskWrite[] = [];
    const meter = createUsageMeter({
      now: () => NOON,
      store: {
        ...store,
        addUsage(...rows) {
          void store.addUsage(...rows);
          const onDisk = diskWrite();
          disk.push({ ...onDisk, rows: rows.length });
          return onDisk.promise;
        },
      },
    });
    const answered: number[] = [];
    for (let index = 0; index < 20; index += 1) {
      const reservation = meter.reserve(account);
      reservation.grow(5);
      void reservation.settle(done(5)).then(() => answered.push(index));
    }
    // All count at once, written or not.
    expect(meter.quotas(account)).toMatchObject([{ used: 100 }]);
    expect(() => meter.reserve(account).grow(1)).toThrow(QuotaExceededError);
    expect(meter.unwritten).toBe(0);
    expect(disk).toMatchObject([{ rows: 1 }]);
    disk[0]?.resolve();
    await vi.waitFor(() => expect(disk).toMatchObject([{ rows: 1 }, { rows: 19 }]));
    expect(answered).toEqual([0]);
    expect(meter.quotas(account)).toMatchObject([{ used: 100 }]);
    disk[1]?.resolve();
    await vi.waitFor(() => expect(answered).toHaveLength(20));
    expect(store.listUsage({ fromDay: '2026-03-15', toDay: '2026-03-15' }, 100)).toHaveLength(20);
  });

  it('reports a disk that cannot say whether a row is on it, and counts that row once', async () => {
    const store = createMemoryStore();
    const failures: number[] = [];
    const meter = createUsageMeter({
      now: () => NOON,
      onUnwritten: (_error, rows) => failures.push(rows),
      store: {
        ...store,
        addUsage(...rows) {
          void store.addUsage(...rows);
          return Promise.reject(new StoreError(new Error('input/output error')));
        },
      },
    });
    await meter.reserve(account).settle(done(10));
    expect(failures).toEqual([1]);
    expect(meter.quotas(account)).toMatchObject([{ used: 10 }]);
  });
});

interface DiskWrite {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly rows?: number;
}

function diskWrite(): DiskWrite {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
