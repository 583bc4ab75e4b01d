import { describe, expect, it } from 'vitest';
import { beginsCharacter, decodeTokens, encodeText, tokenBytes } from './tokenizer.ts';

describe('decodeTokens', () => {
  it.each(['Hello there, it is 10,000.', 'naïve café 漢字 🎧 ok', "don't"])('gives back %s', (text) => {
    const tokens = encodeText(text, 'space');
    const decoded = decodeTokens(tokens);
    expect(decoded.text).toBe(text);
    expect(decoded.ends).toHaveLength(tokens.length);
    expect(decoded.ends.at(-1)).toBe(text.length);
    expect(Buffer.from(tokens.flatMap(tokenBytes)).toString('utf8')).toBe(` ${text}`);
  });

  it('ends a character of several tokens with the last of them', () => {
    const tokens = encodeText('a 🎧', 'space');
    const { ends } = decodeTokens(tokens);
    expect(ends.slice(-4)).toEqual([2, 2, 2, 4]);
  });

  it('leaves out a character that is cut off at the end, and only that', () => {
    const tokens = encodeText('你好嗯', 'space');
    const { text, ends } = decodeTokens(tokens.slice(0, -1));
    expect(text).toBe('你好');
    expect(ends.slice(-2)).toEqual([2, 2]);
  });

  it('gives nothing for special tokens', () => {
    expect(decodeTokens([1, 2, 32_001])).toEqual({ text: '', ends: [0, 0, 0] });
  });
});

describe('tokenBytes', () => {
  it.each([
    'Сьогодні дуже гарна погода, ходімо в парк.',
    'Hôm nay thời tiết rất đẹp, chúng ta đi dạo nhé.',
    'اليوم الطقس جميل جدا، فلنذهب معا إلى الحديقة.',
    '今天天气很好，我们一起去公园散步吧。嗯，好的！',
    '今日は天気がいいので、公園へ散歩に行きましょう。',
    '오늘은 날씨가 정말 좋아서 공원에 갑시다.',
  ])('spells %s', (text) => {
    const tokens = encodeText(text, 'space');
    expect(Buffer.from(tokens.flatMap(tokenBytes)).toString('utf8')).toBe(` ${text}`);
    const { text: decoded, ends } = decodeTokens(tokens);
    expect(decoded).toBe(text);
    expect(ends.at(-1)).toBe(text.length);
  });

  it('gives each of the 256 byte tokens its byte', () => {
    for (let byte = 0; byte < 256; byte += 1) expect(tokenBytes(3 + byte)).toEqual([byte]);
  });
});

describe('beginsCharacter', () => {
  it('counts the characters that are spelled in bytes once', () => {
    const tokens = encodeText('a嗯🎧é', 'none');
    expect(tokens.length).toBeGreaterThan(4);
    expect(tokens.filter(beginsCharacter)).toHaveLength(4);
  });
});
