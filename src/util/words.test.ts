import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitWords, wordStarts } from './words.ts';

describe('splitWords', () => {
  it('cuts text with spaces at its spaces and nowhere else', () => {
    expect(splitWords("  Don't pay 3.50 — well-known  Mr. Hale!")).toEqual([
      "Don't",
      'pay',
      '3.50',
      '—',
      'well-known',
      'Mr.',
      'Hale!',
    ]);
    expect(splitWords('안녕하세요 세계입니다.')).toEqual(['안녕하세요', '세계입니다.']);
    expect(splitWords('مرحبا بالعالم، كيف الحال؟')).toEqual(['مرحبا', 'بالعالم،', 'كيف', 'الحال؟']);
  });

  it('finds the words of Chinese, Japanese and Thai, punctuation with its word', () => {
    expect(splitWords('今天天气很好，我们去公园。')).toEqual([
      '今天',
      '天气',
      '很好，',
      '我们',
      '去',
      '公园。',
    ]);
    expect(splitWords('彼は「東京」へ行く。').join('|')).toMatch(/^彼\|は\|「東京」\|へ\|行く。$/);
    expect(splitWords('สวัสดีครับ')).toEqual(['สวัสดี', 'ครับ']);
    expect(splitWords('我用Node.js写程序')).toContain('Node.js');
  });

  it('loses and adds nothing, and tells where each word begins', () => {
    const text = fc.string({
      unit: fc.constantFrom(...'ab .,!「」。、（）東京はไทย국 \n…“”', 'e\u0301', '👍'),
    });
    fc.assert(
      fc.property(text, (sample) => {
        const words = splitWords(sample);
        expect(words.join('')).toBe(sample.replace(/\s+/g, ''));
        for (const word of words) expect(word).toMatch(/^\S+$/u);
        const starts = wordStarts(sample);
        expect(starts).toHaveLength(words.length);
        for (const [index, start] of starts.entries())
          expect(sample.slice(start, start + (words[index]?.length ?? 0))).toBe(words[index]);
      }),
    );
  });
});
