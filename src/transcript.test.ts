import { describe, expect, it } from 'vitest';
import { joinSegmentTexts, separatorBetween } from './transcript.ts';

describe('joinSegmentTexts', () => {
  const join = (...texts: string[]) => joinSegmentTexts(texts.map((text) => ({ text })));

  it('puts one space between texts of scripts with spaces', () => {
    expect(join(' Good morning.', 'How are you? ', ' ', 'Fine')).toBe('Good morning. How are you? Fine');
    expect(join('안녕하세요.', '반갑습니다.')).toBe('안녕하세요. 반갑습니다.');
    expect(join('مرحبا.', 'كيف حالك؟')).toBe('مرحبا. كيف حالك؟');
  });

  it('puts nothing between Chinese or Japanese texts', () => {
    expect(join('今天天气很好。', '我们去公园。')).toBe('今天天气很好。我们去公园。');
    expect(join('本当?', '「はい」', 'データー', 'です')).toBe('本当?「はい」データーです');
    expect(join('他说', 'hello', '然后走了')).toBe('他说 hello 然后走了');
  });

  it('joins texts one by one as all at once', () => {
    const texts = ['One.', '今天。', 'Two', '明天', '后天'];
    let sent = '';
    for (const [index, text] of texts.entries())
      sent += index === 0 ? text : separatorBetween(texts[index - 1] ?? '', text) + text;
    expect(sent).toBe(join(...texts));
  });
});
