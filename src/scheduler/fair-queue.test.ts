import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.ts';

function drain(queue: FairQueue<string>): string[] {
  const items: string[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) items.push(item);
  return items;
}

describe('FairQueue', () => {
  it('lets a short request in between the chunks of a long one', () => {
    const queue = new FairQueue<string>();
    for (const chunk of ['long-1', 'long-2', 'long-3']) queue.push(chunk, { key: 'a', request: 'long' });
    queue.push('short-1', { key: 'a', request: 'short' });
    expect(drain(queue)).toEqual(['long-1', 'short-1', 'long-2', 'long-3']);
  });

  it('gives keys equal turns however many requests one of them sends', () => {
    const queue = new FairQueue<string>();
    for (const request of ['1', '2', '3']) queue.push(`a${request}`, { key: 'a', request });
    queue.push('b1', { key: 'b', request: '4' });
    expect(drain(queue)).toEqual(['a1', 'b1', 'a2', 'a3']);
  });

  it('keeps the order of one request', () => {
    const queue = new FairQueue<string>();
    for (const chunk of ['1', '2', '3']) queue.push(chunk, { key: 'a', request: 'r' });
    expect(drain(queue)).toEqual(['1', '2', '3']);
  });

  it('forgets what is removed and what the caller does not accept stays', () => {
    const queue = new FairQueue<string>();
    queue.push('x', { key: 'a', request: 'r' });
    queue.push('y', { key: 'a', request: 'r' });
    expect(queue.remove('x', { key: 'a', request: 'r' })).toBe(true);
    expect(queue.remove('x', { key: 'a', request: 'r' })).toBe(false);
    expect(queue.shift((item) => item !== 'y')).toBeUndefined();
    expect(queue.size).toBe(1);
    expect(drain(queue)).toEqual(['y']);
  });
});
