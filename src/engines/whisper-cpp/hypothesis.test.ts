import { describe, expect, it } from 'vitest';
import type { NativeResult } from './binding.ts';
import { type HeardChunk, isAnnotation, toHypothesis } from './hypothesis.ts';

const SECOND = 16_000;
const CHUNK: HeardChunk = { lengthSamples: 10 * SECOND, wantsWords: false, temperature: 0 };

function native(...segments: readonly (readonly [text: string, t0: number, t1: number])[]): NativeResult {
  const result = segments.map(([text]) => text).join('');
  return { result, isAborted: false, segments: segments.map(([text, t0, t1]) => ({ text, t0, t1 })) };
}

describe('toHypothesis', () => {
  it('gives text and segments trimmed, and neutral numbers for what the binding does not tell', () => {
    expect(toHypothesis(native([' Hello', 0, 900], [' there.', 1000, 2500]), CHUNK)).toEqual({
      text: 'Hello there.',
      tokens: [],
      tokenEnds: [],
      logprobs: [],
      avgLogprob: 0,
      temperature: 0,
      segments: [
        { text: 'Hello', startSecond: 0, endSecond: 0.9 },
        { text: 'there.', startSecond: 1, endSecond: 2.5 },
      ],
    });
  });

  it('keeps times in order and inside the chunk', () => {
    const { segments } = toHypothesis(
      native([' a', 500, 4000], [' b', 3000, 6000], [' c', 9000, 30_000]),
      CHUNK,
    );
    expect(segments?.map(({ startSecond, endSecond }) => [startSecond, endSecond])).toEqual([
      [0.5, 4],
      [4, 6],
      [9, 10],
    ]);
  });

  it('lets no segment begin or end where the voice detector hears nobody', () => {
    const speech = [{ startSample: 2 * SECOND, endSample: 5 * SECOND }];
    const { segments } = toHypothesis(native([' Hello.', 0, 9000]), { ...CHUNK, speech });
    expect(segments?.[0]?.startSecond).toBeCloseTo(1.92, 9);
    expect(segments?.[0]?.endSecond).toBeCloseTo(5.06, 9);
  });

  it('puts tokens together to words, and words to sentences', () => {
    const tokens = native(
      [' Can', 0, 200],
      ['ber', 200, 400],
      ['ra', 400, 500],
      ['.', 500, 500],
      [' Yes', 700, 900],
      ['!', 900, 900],
    );
    const { text, words, segments } = toHypothesis(tokens, { ...CHUNK, wantsWords: true });
    expect(text).toBe('Canberra. Yes!');
    expect(words).toEqual([
      { text: 'Canberra.', startSecond: 0, endSecond: 0.5 },
      { text: 'Yes!', startSecond: 0.7, endSecond: 0.9 },
    ]);
    expect(segments).toEqual(words);
  });

  it('shares the time of a token that holds two words by their length', () => {
    const { words } = toHypothesis(native(['我们', 0, 400], ['在学习', 400, 1000]), {
      ...CHUNK,
      wantsWords: true,
    });
    expect(words).toEqual([
      { text: '我们', startSecond: 0, endSecond: 0.4 },
      { text: '在', startSecond: 0.4, endSecond: expect.closeTo(0.6, 9) },
      { text: '学习', startSecond: expect.closeTo(0.6, 9), endSecond: 1 },
    ]);
  });

  it('puts characters together that tokens cut apart', () => {
    const broken = native([' caf', 0, 300], ['\uFFFD', 300, 350], ['\uFFFD n', 350, 400], ['oir.', 400, 900]);
    const { text, words } = toHypothesis(
      { ...broken, result: ' café noir.' },
      { ...CHUNK, wantsWords: true },
    );
    expect(text).toBe('café noir.');
    expect(words?.map((word) => word.text)).toEqual(['café', 'noir.']);
    expect(words?.[1]?.endSecond).toBe(0.9);
  });

  it('sees no repetition in a script of three bytes a letter', () => {
    const thai = 'วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะกับเพื่อนแล้วกินข้าวด้วยกันที่ร้านใกล้บ้านก่อนกลับไปทำงาน';
    expect(toHypothesis(native([thai, 0, 9000]), CHUNK)).not.toHaveProperty('trouble');
  });

  it('takes a text that only names sounds for silence', () => {
    expect(toHypothesis(native([' [BLANK_AUDIO]', 0, 9000]), CHUNK)).toMatchObject({
      text: '',
      segments: [],
    });
    expect(toHypothesis(native([' (music)', 0, 9000], [' Hello.', 9000, 9500]), CHUNK).text).toBe(
      '(music) Hello.',
    );
  });

  it('leaves one turn of a loop and says so', () => {
    const loop = Array.from(
      { length: 20 },
      (_, index) => [' Thank you.', index * 500, index * 500 + 400] as const,
    );
    const { text, segments, trouble } = toHypothesis(native([' Good night.', 0, 0], ...loop), CHUNK);
    expect(text).toBe('Good night. Thank you.');
    expect(segments?.map((segment) => segment.text)).toEqual(['Good night.', 'Thank you.']);
    expect(trouble).toBe('loop-cut');
  });

  it('tells the language only when it was the model that found it', () => {
    expect(toHypothesis(native([' Hallo.', 0, 900]), { ...CHUNK, language: 'de' }).language).toBe('de');
    expect(toHypothesis(native([' Hallo.', 0, 900]), CHUNK)).not.toHaveProperty('language');
  });
});

describe('isAnnotation', () => {
  it.each([
    '',
    '[BLANK_AUDIO]',
    '(upbeat music)',
    '*laughs*',
    '♪ la la ♪',
    '♪♪',
    '[Music] (applause)',
    '（音楽）',
    '...',
  ])('is %j', (text) => expect(isAnnotation(text)).toBe(true));

  it.each(['Hello (there).', '[1] is the first', '5 * 3 * 2', 'a ♪'])('is not %j', (text) =>
    expect(isAnnotation(text)).toBe(false),
  );
});
