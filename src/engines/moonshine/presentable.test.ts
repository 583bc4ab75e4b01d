import { describe, expect, it } from 'vitest';
import type { Answer } from './attempts.ts';
import { presentable } from './presentable.ts';
import { decodeTokens, encodeText } from './tokenizer.ts';

function answer(text: string, logprob: number, cutOff = false): Answer {
  const tokens = encodeText(text, 'space');
  const decoded = decodeTokens(tokens);
  const logprobs = tokens.map(() => logprob);
  return {
    text: decoded.text,
    tokens,
    tokenEnds: decoded.ends,
    logprobs,
    avgLogprob: logprob,
    score: logprob,
    cutOff,
    temperature: 0,
  };
}

describe('presentable', () => {
  it('leaves a good answer as it is', () => {
    const good = answer('Ask not what your country can do for you.', -0.2);
    expect(presentable(good)).toBe(good);
  });

  it('keeps one turn of a loop, with its tokens and their mean', () => {
    const cut = presentable(answer(`We went home. ${'Thank you. '.repeat(12)}`.trim(), -0.1, true));
    expect(cut.text).toBe('We went home. Thank you.');
    expect(cut.tokens).toHaveLength(cut.logprobs.length);
    expect(cut.tokenEnds.at(-1)).toBe(cut.text.length);
    expect(cut).toMatchObject({ trouble: 'loop-cut' });
    expect(cut.avgLogprob).toBeCloseTo(-0.1);
  });

  it('drops improbable text that would not end', () => {
    expect(presentable(answer('sorrow umbrella of never the', -1.5, true))).toMatchObject({
      text: '',
      tokens: [],
      trouble: 'dropped',
    });
  });

  it.each([
    '今天天气很好，我们一起去公园散步吧。昨天晚上我看了一部非常有意思的电影，讲的是一个年轻人的故事。',
    '嗯嗯嗯嗯，好的好的好的好的，谢谢谢谢。',
    '今日は天気がいいので、公園へ散歩に行きましょう。はははは、そうそうそうそう。',
    '네네네네 오늘은 날씨가 정말 좋아서 우리 같이 공원에 산책하러 갑시다.',
    'اليوم الطقس جميل جدا فلنذهب معا إلى الحديقة. لا لا لا لا.',
    'ありがとうありがとうありがとうありがとう',
    'Cảm ơn cảm ơn cảm ơn cảm ơn.',
    'Сьогодні дуже гарна погода, тому ходімо разом гуляти в парк.',
    'Hôm nay thời tiết rất đẹp, chúng ta cùng đi dạo trong công viên nhé.',
  ])('leaves %s as it is', (text) => {
    const good = answer(text, -0.2);
    expect(presentable(good)).toBe(good);
  });

  it.each([
    ['我说好。', '嗯。', '我说好。嗯。'],
    ['네, ', '감사합니다. ', '네, 감사합니다.'],
    ['شكرا. ', 'لا يا صديقي. ', 'شكرا. لا يا صديقي.'],
    ['では', 'ありがとうございました。', 'ではありがとうございました。'],
    ['Vâng, ', 'cảm ơn các bạn. ', 'Vâng, cảm ơn các bạn.'],
  ])('keeps one turn of a loop behind %s', (start, turn, kept) => {
    const cut = presentable(answer(`${start}${turn.repeat(14)}`.trim(), -0.1, true));
    expect(cut.text).toBe(kept);
    expect(cut).toMatchObject({ trouble: 'loop-cut' });
    expect(cut.tokens).toHaveLength(cut.logprobs.length);
    expect(cut.tokenEnds.at(-1)).toBe(cut.text.length);
  });

  it('says when it is not sure', () => {
    expect(presentable(answer('Canan irrigari', -1.5))).toMatchObject({
      text: 'Canan irrigari',
      trouble: 'unsure',
    });
  });
});
