import { describe, expect, it } from 'vitest';
import { createResampler } from './resample.ts';

const RATES = [4_000, 8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000, 384_000];

async function resample(rate: number, samples: Float32Array, block = 1_000): Promise<Float32Array> {
  const resampler = await createResampler(rate);
  const parts: Float32Array[] = [];
  for (let index = 0; index < samples.length; index += block) {
    parts.push(resampler.push(samples.subarray(index, index + block)));
  }
  parts.push(resampler.flush());
  resampler[Symbol.dispose]();
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

function sine(hertz: number, rate: number, seconds: number): Float32Array {
  return Float32Array.from({ length: Math.round(seconds * rate) }, (_, index) =>
    Math.sin((2 * Math.PI * hertz * index) / rate),
  );
}

/** Decibels below a full sine, without the filter's first and last moments. */
function level(samples: Float32Array): number {
  const middle = samples.subarray(1_600, -1_600);
  const power = middle.reduce((sum, value) => sum + value * value, 0) / middle.length;
  return 10 * Math.log10(2 * power + 1e-20);
}

describe('createResampler', () => {
  it.each(RATES)('keeps the length of %i Hz sound to the sample', async (rate) => {
    for (const length of [1, 777, Math.round(rate * 0.3137)]) {
      expect((await resample(rate, new Float32Array(length))).length).toBe(
        Math.round((length * 16_000) / rate),
      );
    }
  });

  it.each(RATES)(
    'keeps time: a tone of %i Hz sound comes out in phase, to its last sample but a few',
    async (rate) => {
      const output = await resample(rate, sine(400, rate, 0.5));
      const expected = sine(400, 16_000, 0.5);
      const worst = output.subarray(400, -400).reduce((most, value, index) => {
        return Math.max(most, Math.abs(value - (expected[index + 400] ?? 0)));
      }, 0);
      expect(worst).toBeLessThan(0.002);
    },
  );

  it('passes speech up to 7 kHz and stops what would fold back', async () => {
    for (const rate of [44_100, 48_000]) {
      expect(level(await resample(rate, sine(7_000, rate, 1)))).toBeGreaterThan(-0.5);
      for (const hertz of [8_200, 9_000, 12_000, 15_500, 20_000])
        expect(level(await resample(rate, sine(hertz, rate, 1)))).toBeLessThan(-90);
    }
  });

  it('gives the same whatever it has been used for before, and beside others', async () => {
    const rates = [44_100, 384_000, 8_000, 48_000, 44_100, 11_025, 384_000, 44_100];
    const alone = new Map<number, Float32Array>();
    for (const rate of rates) alone.set(rate, await resample(rate, sine(440, rate, 0.05)));
    // More at once than there are converters.
    const together = await Promise.all(rates.map((rate) => resample(rate, sine(440, rate, 0.05))));
    for (const [index, rate] of rates.entries()) expect(together[index]).toEqual(alone.get(rate));
    expect(together[0]).toEqual(together[7]);
  });

  it('gives the same whatever the blocks', async () => {
    const input = sine(1_234, 44_100, 0.2);
    expect(await resample(44_100, input, 8_192)).toEqual(await resample(44_100, input, 313));
  });
});
