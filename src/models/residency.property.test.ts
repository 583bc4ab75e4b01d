import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createManualClock, settle } from '../../test/support/manual-clock.ts';
import { Residency } from './residency.ts';
import type { ResidentLease } from './residency-options.ts';

const MEMORY: Readonly<Record<string, number>> = { a: 10, b: 20, c: 30, huge: 50 };
const BUDGET = 40;

const step = fc.record({
  what: fc.constantFrom(
    'acquire',
    'acquire',
    'release',
    'leave',
    'load-ok',
    'load-fail',
    'time',
    'unload',
    'by-hand',
    'broken',
  ),
  id: fc.constantFrom('a', 'b', 'c', 'huge'),
  pick: fc.nat(20),
});

describe('Residency', () => {
  it('never exceeds its memory, never unloads what is in use, forgets nobody and leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
        const clock = createManualClock();
        const inMemory = new Map<string, number>();
        const loads: { readonly id: string; readonly end: (error?: Error) => void }[] = [];
        const leases: {
          readonly id: string;
          readonly generation: number;
          readonly lease: ResidentLease<number>;
        }[] = [];
        const waiting: { readonly abort: AbortController; settled: boolean }[] = [];
        const wrongs: string[] = [];
        let generation = 0;
        const residency = new Residency<number>({
          load: (id, signal) => {
            // Its process takes memory from the start. What is thrown here would only count as a load that failed.
            if (inMemory.has(id)) wrongs.push(`${id} is loaded twice`);
            generation += 1;
            inMemory.set(id, generation);
            const mine = generation;
            const bytes = [...inMemory.keys()].reduce((sum, each) => sum + (MEMORY[each] ?? 0), 0);
            if (bytes > BUDGET) wrongs.push(`${bytes} bytes with ${[...inMemory.keys()].join(', ')}`);
            return new Promise((resolve, reject) => {
              const fail = (error: Error): void => {
                inMemory.delete(id);
                reject(error);
              };
              signal.addEventListener('abort', () => fail(new Error('cancelled')), { once: true });
              loads.push({ id, end: (error) => (error === undefined ? resolve(mine) : fail(error)) });
            });
          },
          unload: async (id) => {
            await settle();
            inMemory.delete(id);
          },
          memoryBytesOf: (id) => MEMORY[id] ?? 0,
          budgetBytes: BUDGET,
          keepAliveSecondsOf: () => 50,
          loadSeconds: 100,
          clock,
        });
        const broken = new Set<number>();
        const run = async ({ what, id, pick }: { what: string; id: string; pick: number }): Promise<void> => {
          if (what === 'acquire') {
            const request = { abort: new AbortController(), settled: false };
            waiting.push(request);
            residency
              .acquire(id, { signal: request.abort.signal, memoryWithinSeconds: 20 })
              .then((lease) => leases.push({ id, generation: lease.loaded, lease }))
              .catch(() => undefined)
              .finally(() => {
                request.settled = true;
              });
          } else if (what === 'release')
            leases.splice(pick % Math.max(1, leases.length), 1)[0]?.lease.release();
          else if (what === 'leave') waiting[pick % Math.max(1, waiting.length)]?.abort.abort();
          else if (what === 'load-ok') loads.shift()?.end();
          else if (what === 'load-fail') loads.shift()?.end(new Error('cannot load'));
          else if (what === 'time') await clock.advance(pick * 5);
          else if (what === 'unload') await residency.unload(id);
          else if (what === 'by-hand') residency.load(id, { memoryWithinSeconds: 20 }).catch(() => undefined);
          else if (residency.loaded().has(id)) {
            broken.add(inMemory.get(id) ?? 0);
            residency.broken(id, new Error('broken'));
          }
        };
        for (const each of steps) {
          await run(each);
          await settle();
          for (const { id, generation: held } of leases)
            if (!broken.has(held)) expect(inMemory.get(id)).toBe(held);
        }
        for (const { lease } of leases) lease.release();
        // All that runs ends by its own limits: memory after 20 s, loads after 100 s, idle models after 50 s, one after another.
        for (let round = 0; round < 8; round += 1) {
          await clock.advance(120);
          for (const { lease } of leases) lease.release();
        }
        expect(waiting.every(({ settled }) => settled)).toBe(true);
        expect([...inMemory.keys()]).toEqual([]);
        expect(wrongs).toEqual([]);
        await residency.close();
      }),
      { numRuns: 150 },
    );
  });
});
