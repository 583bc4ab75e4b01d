import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accountFor, coverageWarnings, summarizeCoverage } from './coverage.ts';

const stretch = fc
  .tuple(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 2000 }))
  .map(([a, b]) => ({ startSample: Math.min(a, b), endSample: Math.max(a, b) }));
const recording = fc.record({
  totalSamples: fc.integer({ min: 1, max: 1500 }),
  transcribed: fc.array(stretch, { maxLength: 8 }),
  failed: fc.array(stretch, { maxLength: 4 }),
});

describe('accountFor', () => {
  it('covers every sample exactly once, in order', () => {
    fc.assert(
      fc.property(recording, ({ totalSamples, ...chunks }) => {
        const spans = accountFor(totalSamples, chunks);
        let at = 0;
        for (const { startSample, endSample } of spans) {
          expect(startSample).toBe(at);
          expect(endSample).toBeGreaterThan(startSample);
          at = endSample;
        }
        expect(at).toBe(totalSamples);
      }),
    );
  });

  it('gives each sample the fate of the chunks it was in, and a loss before all', () => {
    fc.assert(
      fc.property(recording, ({ totalSamples, ...chunks }) => {
        const fates = accountFor(totalSamples, chunks).flatMap(({ fate, startSample, endSample }) =>
          Array.from({ length: endSample - startSample }, () => fate),
        );
        const inside = (list: typeof chunks.failed, sample: number) =>
          list.some(({ startSample, endSample }) => startSample <= sample && sample < endSample);
        for (const [sample, fate] of fates.entries()) {
          const lost = inside(chunks.failed, sample);
          const heard = inside(chunks.transcribed, sample);
          expect(fate).toBe(lost ? 'failed' : heard ? 'transcribed' : 'silence');
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('summarizeCoverage', () => {
  it('adds up to the duration', () => {
    fc.assert(
      fc.property(recording, ({ totalSamples, ...chunks }) => {
        const coverage = summarizeCoverage(accountFor(totalSamples, chunks));
        const sum = coverage.transcribedSecond + coverage.silenceSecond + coverage.failedSecond;
        expect(Math.round(sum * 16_000)).toBe(totalSamples);
        expect(sum).toBeCloseTo(totalSamples / 16_000, 9);
      }),
    );
  });

  it('says where something was lost', () => {
    const spans = accountFor(160_000, {
      transcribed: [{ startSample: 0, endSample: 40_000 }],
      failed: [{ startSample: 48_000, endSample: 80_000 }],
    });
    const coverage = summarizeCoverage(spans);
    expect(coverage).toEqual({
      transcribedSecond: 2.5,
      silenceSecond: 5.5,
      failedSecond: 2,
      failed: [{ startSecond: 3, endSecond: 5 }],
    });
    expect(coverageWarnings(coverage)).toEqual([expect.stringContaining('from 3.00 s to 5.00 s')]);
  });
});
