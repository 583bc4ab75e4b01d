import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutToWidth, textWidth } from './characters.ts';

describe('textWidth', () => {
  it('counts full-width characters twice, and accents with their letter', () => {
    const widths = [
      'word',
      'café',
      'cafe\u0301',
      '今天，好',
      'カナ',
      'ｶﾅ',
      '안녕',
      'ไทย',
      'مرحبا',
      'ชื่อ',
      '👍🏽',
      '',
    ];
    expect(widths.map(textWidth)).toEqual([4, 4, 4, 8, 4, 2, 4, 3, 5, 2, 2, 0]);
  });
});

describe('cutToWidth', () => {
  it('cuts between characters, none of the parts wider than asked', () => {
    expect(cutToWidth('今天天气很好', 5)).toEqual(['今天', '天气', '很好']);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 20 }), (text, width) => {
        const parts = cutToWidth(text, width);
        expect(parts.join('')).toBe(text);
        for (const part of parts) expect(textWidth(part)).toBeLessThanOrEqual(width);
      }),
    );
  });
});
