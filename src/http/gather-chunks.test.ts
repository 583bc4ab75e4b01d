import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gatherChunks } from './gather-chunks.ts';

function collect() {
  const passed: Buffer[] = [];
  const errors: unknown[] = [];
  const gatherer = gatherChunks(
    (bytes) => passed.push(bytes),
    (error) => errors.push(error),
  );
  return { passed, errors, gatherer };
}

describe('gatherChunks', () => {
  it('passes every byte on, in order, whatever the sizes and the pauses', async () => {
    const size = fc.oneof(fc.constant(1), fc.nat(40), fc.integer({ min: 1000, max: 1100 }), fc.nat(70_000));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(size, fc.boolean()), { maxLength: 60 }), async (steps) => {
        const { passed, gatherer } = collect();
        const sent = steps.map(([length], step) =>
          Buffer.from(Array.from({ length }, (_, place) => (step * 31 + place * 7) & 255)),
        );
        for (const [index, chunk] of sent.entries()) {
          gatherer.write(chunk);
          if (steps[index]?.[1]) await nextTurn();
        }
        gatherer.flush();
        // Compared at the end: bytes that were passed on must not be written over later.
        expect(Buffer.concat(passed).equals(Buffer.concat(sent))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('makes blocks of small chunks', () => {
    const { passed, gatherer } = collect();
    for (let index = 0; index < 100_000; index += 1) gatherer.write(Buffer.from('a'));
    gatherer.flush();
    expect(passed.length).toBeLessThan(10);
  });

  it('keeps nothing longer than a turn of the event loop', async () => {
    const { passed, gatherer } = collect();
    gatherer.write(Buffer.from('a'));
    expect(passed).toHaveLength(0);
    await nextTurn();
    expect(passed.map(String)).toEqual(['a']);
  });

  it('passes a large chunk on at once, behind what came before it', () => {
    const { passed, gatherer } = collect();
    gatherer.write(Buffer.from('a'));
    gatherer.write(Buffer.alloc(2000, 'b'));
    expect(passed.map(({ length }) => length)).toEqual([1, 2000]);
  });

  it('tells fail what is thrown in a later turn, and passes nothing after stop', async () => {
    const errors: unknown[] = [];
    const refusal = new Error('refused');
    const gatherer = gatherChunks(
      () => {
        throw refusal;
      },
      (error) => errors.push(error),
    );
    gatherer.write(Buffer.from('a'));
    await nextTurn();
    expect(errors).toEqual([refusal]);
    gatherer.write(Buffer.from('a'));
    gatherer.stop();
    gatherer.flush();
    await nextTurn();
    expect(errors).toHaveLength(1);
  });
});
