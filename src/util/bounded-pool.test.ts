import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BoundedPool } from './bounded-pool.ts';

let created = 0;
const create = async (): Promise<number> => {
  created += 1;
  return created;
};

beforeEach(() => {
  created = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

describe('BoundedPool', () => {
  it('gives a used item before it makes another', async () => {
    const pool = new BoundedPool({ most: 2, keepMs: 1000, create });
    const first = await pool.acquire();
    pool.release(first);
    expect(await pool.acquire()).toBe(first);
    expect(await pool.acquire()).not.toBe(first);
    expect(created).toBe(2);
  });

  it('makes no more than its limit; who comes later waits, first come first served', async () => {
    const pool = new BoundedPool({ most: 2, keepMs: 1000, create });
    const items = [await pool.acquire(), await pool.acquire()];
    const order: string[] = [];
    const later = ['third', 'fourth'].map((name) => pool.acquire().then(() => order.push(name)));
    await nextTurn();
    expect(order).toEqual([]);
    for (const item of items) {
      pool.release(item);
      await nextTurn();
    }
    await Promise.all(later);
    expect(order).toEqual(['third', 'fourth']);
    expect(created).toBe(2);
  });

  it('an item that cannot be made takes nobody its place', async () => {
    let fails = true;
    const pool = new BoundedPool({
      most: 1,
      keepMs: 1000,
      create: async () => {
        if (fails) throw new Error('no memory');
        return create();
      },
    });
    const both = [pool.acquire(), pool.acquire()];
    for (const attempt of both) await expect(attempt).rejects.toThrow('no memory');
    fails = false;
    expect(await pool.acquire()).toBe(1);
  });

  it('drops what nobody has wanted for a while', async () => {
    vi.useFakeTimers();
    const pool = new BoundedPool({ most: 2, keepMs: 1000, create });
    pool.release(await pool.acquire());
    vi.advanceTimersByTime(999);
    pool.release(await pool.acquire());
    expect(created).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(await pool.acquire()).toBe(2);
  });
});
