import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueueFullError, RateLimitError, ShuttingDownError, TooManyUploadsError } from '../errors.ts';
import { type Arrival, createAdmission } from './admission.ts';

describe('createAdmission', () => {
  it('lets exactly the limit in, and nobody arrive while all places are taken', () => {
    const admission = createAdmission({ limit: 2 });
    const [first, second, third] = [1, 2, 3].map(() => admission.arrive());
    first?.enter();
    second?.enter();
    expect(() => third?.enter()).toThrow(QueueFullError);
    expect(() => admission.arrive()).toThrow(QueueFullError);
    first?.leave();
    expect(() => third?.enter()).not.toThrow();
    expect(admission.size).toBe(2);
  });

  it('does not count uploads as places, but has a limit of them', () => {
    const admission = createAdmission({ limit: 1, arriving: 3 });
    const arrivals = [1, 2, 3].map(() => admission.arrive());
    expect(admission.size).toBe(0);
    expect(() => admission.arrive()).toThrow(TooManyUploadsError);
    arrivals[0]?.leave();
    expect(() => admission.arrive()).not.toThrow();
  });

  it('keeps one key from taking everything', () => {
    const admission = createAdmission({ limit: 10, perKey: 2 });
    const mine = [admission.arrive('a'), admission.arrive('a')];
    expect(() => admission.arrive('a')).toThrow(RateLimitError);
    expect(() => admission.arrive('b')).not.toThrow();
    mine[0]?.leave();
    expect(() => admission.arrive('a')).not.toThrow();
  });

  it('while closing lets in who has arrived, and says when all are gone', async () => {
    const admission = createAdmission({ limit: 1 });
    const arrival = admission.arrive();
    admission.close();
    expect(() => admission.arrive()).toThrow(ShuttingDownError);
    arrival.enter();
    const idle = admission.idle();
    arrival.leave();
    await idle;
  });

  it('never counts wrongly, whatever the order (E28)', () => {
    const step = fc.record({ what: fc.constantFrom('arrive', 'enter', 'leave'), who: fc.nat(9) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (limit, steps) => {
        const admission = createAdmission({ limit });
        const arrivals: { arrival: Arrival; state: string }[] = [];
        for (const { what, who } of steps) {
          const entry = arrivals[who % Math.max(1, arrivals.length)];
          const inside = arrivals.filter(({ state }) => state === 'inside').length;
          try {
            if (what === 'arrive') arrivals.push({ arrival: admission.arrive(), state: 'arriving' });
            else if (what === 'enter' && entry !== undefined) {
              entry.arrival.enter();
              if (entry.state === 'arriving') entry.state = 'inside';
            } else if (entry !== undefined) {
              entry.arrival.leave();
              entry.state = 'gone';
            }
          } catch (error) {
            expect(error).toBeInstanceOf(QueueFullError);
            expect(inside).toBe(limit);
          }
          expect(admission.size).toBe(arrivals.filter(({ state }) => state === 'inside').length);
          expect(admission.arriving).toBe(arrivals.filter(({ state }) => state === 'arriving').length);
          expect(admission.size).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });
});
