import { describe, expect, it } from 'vitest';
import { sameAnswers } from './api-examples.ts';

describe('sameAnswers', () => {
  it('lets numbers with decimals differ a little, and nothing else', () => {
    expect(sameAnswers('at 1.50 "a" -0.1083600', 'at 1.51 "a" -0.1083111')).toBe(true);
    expect(sameAnswers('at 1.50', 'at 1.70')).toBe(false);
    expect(sameAnswers('at 1.50', 'by 1.50')).toBe(false);
    expect(sameAnswers('2 cues', '3 cues')).toBe(false);
  });
});
