import { describe, expect, it } from 'vitest';
import { decodeTokens, encodeText, tokenBytes } from './tokenizer.ts';

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

  it('gives nothing for special tokens', () => {
    expect(decodeTokens([1, 2, 32_001])).toEqual({ text: '', ends: [0, 0, 0] });
  });
});
