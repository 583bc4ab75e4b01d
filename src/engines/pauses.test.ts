import { describe, expect, it } from 'vitest';
import { findPauses, joinPauses, pausesBetween } from './pauses.ts';

const SAMPLE_RATE = 16_000;

/** Noise of the given amplitudes, each for some seconds. */
function noise(...parts: readonly (readonly [seconds: number, amplitude: number])[]): Float32Array {
  let state = 1;
  return Float32Array.from(
    parts.flatMap(([seconds, amplitude]) =>
      Array.from({ length: Math.round(seconds * SAMPLE_RATE) }, () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return amplitude * (state / 2 ** 31 - 1);
      }),
    ),
  );
}

function places(samples: Float32Array): number[][] {
  return findPauses(samples).map(({ startSecond, endSecond }) => [startSecond, endSecond]);
}

describe('findPauses', () => {
  it('finds silence before, between and after sounds', () => {
    const samples = noise([0.3, 0], [0.5, 0.3], [0.2, 0], [0.5, 0.3], [0.4, 0]);
    expect(places(samples)).toEqual([
      [0, 0.3],
      [0.8, 1],
      [1.5, 1.9],
    ]);
  });

  it('finds pauses in a noisy room, also when true silence was put around it', () => {
    const samples = noise([0.3, 0], [0.3, 0.02], [0.5, 0.3], [0.2, 0.02], [0.5, 0.3], [0.3, 0.02], [0.3, 0]);
    expect(places(samples)).toEqual([
      [0, 0.6],
      [1.1, 1.3],
      [1.8, 2.4],
    ]);
  });

  it('takes short stops for parts of a word', () => {
    expect(places(noise([0.5, 0.3], [0.03, 0], [0.5, 0.3]))).toEqual([]);
  });

  it('finds none where nothing is quieter', () => {
    expect(places(noise([1, 0.3]))).toEqual([]);
    expect(places(new Float32Array(0))).toEqual([]);
  });
});

describe('pausesBetween', () => {
  it('leaves room around speech, where the detector is late and early', () => {
    const second = SAMPLE_RATE;
    const speech = [
      { startSample: second, endSample: 2 * second },
      { startSample: 2.05 * second, endSample: 3 * second },
    ];
    expect(pausesBetween(speech, 4 * second)).toEqual([
      { startSecond: 0, endSecond: 0.92 },
      { startSecond: 3.06, endSecond: 4 },
    ]);
  });
});

describe('joinPauses', () => {
  it('makes one of what touches, in order', () => {
    const at = (startSecond: number, endSecond: number) => ({ startSecond, endSecond });
    expect(joinPauses([at(3, 4), at(0, 1), at(0.5, 2), at(1, 1.2)])).toEqual([at(0, 2), at(3, 4)]);
  });
});
