import { describe, expect, it } from 'vitest';
import { BoundedQueue } from './bounded-queue.ts';

describe('BoundedQueue', () => {
  it('gives items in order and ends', async () => {
    const queue = new BoundedQueue<number>(2);
    const producer = (async () => {
      for (const item of [1, 2, 3, 4]) await queue.push(item);
      queue.end();
    })();
    const items: number[] = [];
    for await (const item of queue) items.push(item);
    await producer;
    expect(items).toEqual([1, 2, 3, 4]);
  });

  it('makes the producer wait while it is full', async () => {
    const queue = new BoundedQueue<number>(1);
    await queue.push(1);
    let pushed = false;
    const second = queue.push(2).then(() => {
      pushed = true;
    });
    await Promise.resolve();
    expect(pushed).toBe(false);
    const reader = queue[Symbol.asyncIterator]();
    await reader.next();
    await second;
    expect(pushed).toBe(true);
  });

  it('gives what is in before the error', async () => {
    const queue = new BoundedQueue<number>(4);
    await queue.push(1);
    queue.fail(new Error('broken'));
    const items: number[] = [];
    await expect(async () => {
      for await (const item of queue) items.push(item);
    }).rejects.toThrow('broken');
    expect(items).toEqual([1]);
  });

  it('frees the producer when the consumer leaves', async () => {
    const queue = new BoundedQueue<number>(1);
    await queue.push(1);
    const blocked = queue.push(2);
    const late = blocked.then(() => queue.push(3));
    for await (const _ of queue) break;
    expect(await late).toBe(false);
  });
});
