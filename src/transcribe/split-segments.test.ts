import { describe, expect, it } from 'vitest';
import { splitWords } from '../util/words.ts';
import { splitIntoSegments } from './split-segments.ts';

const texts = (text: string): string[] =>
  splitIntoSegments(text, [{ startSecond: 0, endSecond: 10 }]).map((segment) => segment.text);

describe('splitIntoSegments', () => {
  it('gives one short sentence the place of the speech', () => {
    expect(splitIntoSegments('Go forward ten meters.', [{ startSecond: 1, endSecond: 2.5 }])).toEqual([
      { text: 'Go forward ten meters.', startSecond: 1, endSecond: 2.5 },
    ]);
  });

  it('cuts at sentence ends but not after titles, initials and numbers', () => {
    expect(texts('Mr. Hale met J. F. Kennedy. He paid 3.50 dollars! Why?')).toEqual([
      'Mr. Hale met J. F. Kennedy.',
      'He paid 3.50 dollars!',
      'Why?',
    ]);
  });

  it('cuts a long sentence at the clause end nearest its middle', () => {
    const text =
      'And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country.';
    expect(texts(text)).toEqual([
      'And so my fellow Americans, ask not what your country can do for you,',
      'ask what you can do for your country.',
    ]);
  });

  it('cuts a long sentence without clauses between words', () => {
    const pieces = texts('word '.repeat(40));
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join(' ')).toBe('word '.repeat(40).trim());
    for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(84);
  });

  it('moves a boundary to the pause that lies near it', () => {
    const segments = splitIntoSegments('First sentence here. Second sentence here.', [
      { startSecond: 0, endSecond: 2.2 },
      { startSecond: 3, endSecond: 5 },
    ]);
    expect(segments.map(({ startSecond, endSecond }) => [startSecond, endSecond])).toEqual([
      [0, 2.2],
      [3, 5],
    ]);
  });

  it('keeps times in order when many sentences meet one pause', () => {
    const segments = splitIntoSegments('A b. C d. E f. G h. I j.', [
      { startSecond: 0, endSecond: 1 },
      { startSecond: 1.4, endSecond: 2 },
    ]);
    let previous = 0;
    for (const segment of segments) {
      expect(segment.startSecond).toBeGreaterThanOrEqual(previous);
      expect(segment.endSecond).toBeGreaterThanOrEqual(segment.startSecond);
      previous = segment.endSecond;
    }
    expect(segments).toHaveLength(5);
  });

  it('ends sentences of Chinese and Japanese at their own signs, without spaces', () => {
    expect(texts('今天天气很好。我们去公园吧！你来吗？')).toEqual([
      '今天天气很好。',
      '我们去公园吧！',
      '你来吗？',
    ]);
    expect(texts('彼は「行くよ。」と言った。本当?はい!3.5キロです。')).toEqual([
      '彼は「行くよ。」と言った。',
      '本当?',
      'はい!',
      '3.5キロです。',
    ]);
  });

  it('ends sentences of scripts without capitals', () => {
    expect(texts('ذهبنا إلى السوق. هل أنت بخير؟ نعم.')).toEqual(['ذهبنا إلى السوق.', 'هل أنت بخير؟', 'نعم.']);
    expect(texts('यह अच्छा है। वह गया।')).toEqual(['यह अच्छा है।', 'वह गया।']);
    expect(texts('שלום לכולם. מה שלומך?')).toEqual(['שלום לכולם.', 'מה שלומך?']);
  });

  it('cuts long text without spaces at its clauses, else between words, full-width characters counting 2', () => {
    const clauses = '今天天气很好'.repeat(4);
    const pieces = texts(`${clauses}，${clauses}，${clauses}。`);
    expect(pieces.join('')).toBe(`${clauses}，${clauses}，${clauses}。`);
    for (const piece of pieces) expect([...piece].length).toBeLessThanOrEqual(42);
    expect(pieces.filter((piece) => /[，。]$/.test(piece)).length).toBeGreaterThanOrEqual(2);
    const thai =
      'วันนี้อากาศดีมากเราจึงตัดสินใจไปเดินเล่นที่สวนสาธารณะด้วยกันในตอนเย็นหลังเลิกงานและกลับบ้านพร้อมกันตอนค่ำ'.repeat(2);
    const parts = texts(thai);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.join('')).toBe(thai);
    for (const part of parts) expect(part).not.toMatch(/^[\u0e30-\u0e3a\u0e45\u0e47-\u0e4e]/);
  });

  it('places pieces without spaces by their words', () => {
    const words = splitWords('今天天气很好。我们去公园。').map((text, index) => ({
      text,
      startSecond: index,
      endSecond: index + 0.9,
    }));
    const segments = splitIntoSegments(
      '今天天气很好。我们去公园。',
      [{ startSecond: 0, endSecond: 9 }],
      words,
    );
    expect(segments.map(({ startSecond, endSecond }) => [startSecond, endSecond])).toEqual([
      [0, 2.9],
      [3, 5.9],
    ]);
  });

  it('answers nothing for no text', () => {
    expect(splitIntoSegments('  ', [{ startSecond: 0, endSecond: 1 }])).toEqual([]);
  });
});
