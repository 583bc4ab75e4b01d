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
  it('R10 N pass and N + 1 is refused, also of 100 at once with the end of each unknown', () => {
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
    for (const reservation of running) reservation.settle(done(1));
    expect(store.usedAudioMs('key_a', '2026-03-15', '2026-03-15')).toBe(100_000);
    expect(() => meter.check(account)).toThrow(/100 seconds of audio a day: 100 s are used/);
  });

  it('gives back what was held and not used', () => {
    const meter = createUsageMeter({ store: createMemoryStore(), now: () => NOON });
    const failed = meter.reserve(account);
    failed.grow(100);
    expect(() => meter.reserve(account).grow(1)).toThrow(QuotaExceededError);
    failed.settle();
    const other = meter.reserve(account);
    other.grow(100);
    other.settle(done(40));
    other.settle(done(40));
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
      reservation.settle(done(second));
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

  it('R26 a clock that jumps loses no second and makes none', () => {
    const store = createMemoryStore();
    let now = NOON;
    const meter = createUsageMeter({ store, now: () => now });
    for (const jump of [3_600_000, -3_600_000, DAY_MS, -DAY_MS, 10 * DAY_MS]) {
      const reservation = meter.reserve(account);
      reservation.grow(10);
      now += jump;
      reservation.settle(done(10));
      now -= jump;
    }
    expect(meter.quotas(account)).toMatchObject([{ used: 20 }]);
    expect(store.usedAudioMs('key_a', '2026-01-01', '2026-12-31')).toBe(50_000);
    meter.reserve(account).grow(80);
    expect(() => meter.check(account)).toThrow(QuotaExceededError);
  });

  it('counts rows that the store could not take yet, and writes them when it can', () => {
    vi.useFakeTimers();
    const store = createMemoryStore();
    let broken = true;
    const failures: number[] = [];
    const meter = createUsageMeter({
      now: () => NOON,
      onUnwritten: (_error, rows) => failures.push(rows),
      store: {
        ...store,
        addUsage(row) {
          if (broken) throw new StoreError(new Error('disk is full'));
          store.addUsage(row);
        },
      },
    });
    for (let index = 0; index < 2; index += 1) {
      const reservation = meter.reserve(account);
      reservation.grow(50);
      reservation.settle(done(50));
    }
    expect(meter.unwritten).toBe(2);
    expect(failures).toEqual([1, 2]);
    expect(() => meter.check(account)).toThrow(QuotaExceededError);
    broken = false;
    vi.advanceTimersByTime(1000);
    expect(meter.unwritten).toBe(0);
    expect(store.usedAudioMs('key_a', '2026-03-15', '2026-03-15')).toBe(100_000);
  });
});
