import { describe, expect, it } from 'vitest';
import { goDuration } from './limits.ts';

describe('goDuration', () => {
  it('prints as Go does', () => {
    expect([0.006, 0.02, 1, 1.5, 59.999, 60, 60.5, 0.9999].map(goDuration)).toEqual([
      '6ms',
      '20ms',
      '1s',
      '1.5s',
      '59.999s',
      '1m0s',
      '1m0.5s',
      '1s',
    ]);
  });
});
