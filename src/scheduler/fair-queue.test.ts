import fc from 'fast-check';
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

  it('loses and doubles nothing, keeps each request in order, and lets no key pass another twice (E28)', () => {
    const step = fc.record({
      what: fc.constantFrom('push', 'push', 'shift', 'remove'),
      key: fc.constantFrom('a', 'b', 'c'),
      request: fc.constantFrom('1', '2'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const queue = new FairQueue<{ key: string; request: string; number: number }>();
        const waiting: { key: string; request: string; number: number }[] = [];
        /** Turns of others since a key that waits had its own. */
        const passed = new Map<string, Map<string, number>>();
        for (const [number, { what, ...turn }] of steps.entries()) {
          if (what === 'push') {
            const item = { ...turn, number };
            if (!waiting.some(({ key }) => key === turn.key)) passed.set(turn.key, new Map());
            waiting.push(item);
            queue.push(item, turn);
          } else if (what === 'remove') {
            const item = waiting.find(({ key, request }) => key === turn.key && request === turn.request);
            if (item === undefined) continue;
            expect(queue.remove(item, turn)).toBe(true);
            waiting.splice(waiting.indexOf(item), 1);
          } else {
            const item = queue.shift();
            if (item === undefined) {
              expect(waiting).toEqual([]);
              continue;
            }
            const older = waiting.filter(({ key, request }) => key === item.key && request === item.request);
            expect(older[0]).toBe(item);
            waiting.splice(waiting.indexOf(item), 1);
            passed.set(item.key, new Map());
            for (const key of new Set(waiting.map((each) => each.key))) {
              if (key === item.key) continue;
              const turns = passed.get(key)?.get(item.key) ?? 0;
              expect(turns).toBe(0);
              passed.get(key)?.set(item.key, turns + 1);
            }
          }
          expect(queue.size).toBe(waiting.length);
        }
        expect(Array.from({ length: queue.size }, () => queue.shift())).toHaveLength(waiting.length);
      }),
    );
  });
});
