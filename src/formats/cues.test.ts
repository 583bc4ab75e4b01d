import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Segment, Transcript, Word } from '../transcript.ts';
import { textWidth } from './characters.ts';
import { buildCues, type Cue, DEFAULT_CUE_LIMITS } from './cues.ts';

function segmentOf(text: string, startSecond: number, endSecond: number, words?: readonly Word[]): Segment {
  return {
    startSecond,
    endSecond,
    text,
    windowStartSecond: 0,
    tokens: [],
    temperature: 0,
    avgLogprob: 0,
    compressionRatio: 1,
    noSpeechProbability: 0,
    ...(words === undefined ? {} : { words }),
  };
}

function transcriptOf(
  segments: readonly Segment[],
  durationSecond = segments.at(-1)?.endSecond ?? 0,
): Transcript {
  const text = segments.map((segment) => segment.text).join(' ');
  return { task: 'transcribe', model: 'm', language: 'en', durationSecond, text, segments, warnings: [] };
}

/** Words at a steady pace, with their times. */
function spoken(text: string, startSecond: number, secondsAWord = 0.4): Segment {
  const words = text.split(' ').map((word, index) => ({
    text: word,
    startSecond: startSecond + index * secondsAWord,
    endSecond: startSecond + (index + 0.9) * secondsAWord,
  }));
  return segmentOf(text, startSecond, words.at(-1)?.endSecond ?? startSecond, words);
}

const textsOf = (cues: readonly Cue[]) => cues.map(({ lines }) => lines.join('|'));

describe('buildCues', () => {
  it('keeps a short sentence in one line, at its own times', () => {
    expect(buildCues(transcriptOf([segmentOf('Good morning.', 1, 3)]))).toEqual([
      { startMs: 1000, endMs: 3000, lines: ['Good morning.'] },
    ]);
  });

  it('breaks two lines between phrases, not before their last word', () => {
    const text = 'The old fisherman walked to the harbour and looked at the boats.';
    expect(textsOf(buildCues(transcriptOf([spoken(text, 0, 0.3)])))).toEqual([
      'The old fisherman walked to the harbour|and looked at the boats.',
    ]);
  });

  it('cuts a long sentence at its commas, and each cue starts when its first word does', () => {
    const text =
      'When the rain had stopped at last, the children ran down to the river, and nobody thought of the school that waited for them.';
    const segment = spoken(text, 2, 0.3);
    const cues = buildCues(transcriptOf([segment]));
    expect(textsOf(cues).map((cue) => cue.at(-1))).toEqual(
      cues.map((_, index) => (index < cues.length - 1 ? ',' : '.')),
    );
    const words = segment.words ?? [];
    for (const { startMs, lines } of cues) {
      const first = lines[0]?.split(' ')[0];
      const starts = words
        .filter((word) => word.text === first)
        .map((word) => Math.round(word.startSecond * 1000));
      expect(starts).toContain(startMs);
    }
  });

  it('starts with the first word, not with the segment', () => {
    const words = [{ text: 'Yes.', startSecond: 3.2, endSecond: 3.5 }];
    expect(buildCues(transcriptOf([segmentOf('Yes.', 2, 5, words)]))[0]?.startMs).toBe(3200);
  });

  it('lets a short cue stand for a second, but never into the next one', () => {
    const [first, second] = buildCues(
      transcriptOf([segmentOf('Yes.', 1, 1.2), segmentOf('No.', 1.6, 1.8)], 10),
    );
    expect(first).toMatchObject({ startMs: 1000, endMs: 1600 });
    expect(second).toMatchObject({ startMs: 1600, endMs: 2600 });
  });

  it('closes a gap that would only flicker', () => {
    const cues = buildCues(transcriptOf([segmentOf('One moment.', 0, 2), segmentOf('Please.', 2.2, 4)]));
    expect(cues[0]?.endMs).toBe(2200);
  });

  it('ends a cue in a long silence between words', () => {
    const words = [
      { text: 'Wait', startSecond: 0, endSecond: 0.5 },
      { text: 'here.', startSecond: 4, endSecond: 4.5 },
    ];
    const cues = buildCues(transcriptOf([segmentOf('Wait here.', 0, 4.5, words)]));
    expect(textsOf(cues)).toEqual(['Wait', 'here.']);
  });

  it('shares the time by length when there are no words, or words that spell something else', () => {
    const text = `${'word '.repeat(30).trim()}.`;
    const wrong = [{ text: 'other', startSecond: 0, endSecond: 1 }];
    const without = buildCues(transcriptOf([segmentOf(text, 0, 12)]));
    expect(without.length).toBeGreaterThan(1);
    expect(buildCues(transcriptOf([segmentOf(text, 0, 12, wrong)]))).toEqual(without);
    expect(without.at(-1)?.endMs).toBe(12_000);
  });

  it('cuts words longer than a line, and text without spaces, between characters', () => {
    const cues = buildCues(transcriptOf([segmentOf('e\u0301'.repeat(50), 0, 5)]));
    expect(textsOf(cues)).toEqual([`${'e\u0301'.repeat(42)}|${'e\u0301'.repeat(8)}`]);
  });

  it('leaves nothing that reads as a time line', () => {
    expect(textsOf(buildCues(transcriptOf([segmentOf('a --> b\n\nc', 0, 2)])))).toEqual(['a -> b c']);
  });

  it('gives full-width characters double room and breaks between words, not before an ending', () => {
    const text = '東京の大学で日本語を勉強している学生たちは、毎朝早く起きて電車に乗ります。';
    const cues = buildCues(transcriptOf([segmentOf(text, 0, 6)]));
    expect(textsOf(cues)).toEqual([
      '東京の大学で日本語を勉強している|学生たちは、毎朝早く起きて電車に乗ります。',
    ]);
    const narrow = buildCues(transcriptOf([segmentOf('漢字'.repeat(40), 0, 5)]));
    for (const { lines } of narrow)
      for (const line of lines) expect([...line].length).toBeLessThanOrEqual(21);
  });

  it('cuts Chinese at full-width punctuation first', () => {
    const text = '今天天气很好，我们决定一起去公园散步，晚上再去看一场新上映的电影，然后回家休息。';
    const cues = buildCues(transcriptOf([segmentOf(text, 0, 8)]));
    expect(cues.length).toBeGreaterThan(1);
    for (const cue of textsOf(cues)) expect(cue).toMatch(/[，。]$/);
  });

  it('breaks Thai between words and leaves right-to-left text as it is', () => {
    const thai = 'วันนี้อากาศดีมากเราจึงตัดสินใจไปเดินเล่นที่สวนสาธารณะด้วยกันในตอนเย็นหลังเลิกงาน';
    const cues = buildCues(transcriptOf([segmentOf(thai, 0, 6)]));
    expect(cues.flatMap(({ lines }) => lines).join('')).toBe(thai);
    for (const cue of textsOf(cues)) expect(cue).not.toMatch(/(?:^|\|)[\u0e30-\u0e3a\u0e45\u0e47-\u0e4e]/);
    const arabic = 'ذهبنا إلى السوق في الصباح الباكر، ثم عدنا إلى البيت قبل الظهر بقليل. هل أنت بخير؟';
    expect(
      buildCues(transcriptOf([segmentOf(arabic, 0, 6)]))
        .flatMap(({ lines }) => lines)
        .join(' '),
    ).toBe(arabic);
  });
});

const word = fc.oneof(
  { weight: 8, arbitrary: fc.stringMatching(/^[a-zA-Z']{1,12}[,.;?!]?$/) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '-->',
      '—',
      'Ω',
      '日本語のテキスト',
      '「東京」へ行く。そして、帰る。',
      'ประเทศไทย',
    ),
  },
);
const segments = fc
  .array(
    fc.record({
      words: fc.array(word, { minLength: 1, maxLength: 40 }),
      gap: fc.double({ min: 0, max: 3, noNaN: true }),
      pace: fc.double({ min: 0.001, max: 1, noNaN: true }),
      timed: fc.boolean(),
    }),
    { maxLength: 6 },
  )
  .map((drafts) => {
    let clock = 0;
    return drafts.map(({ words, gap, pace, timed }) => {
      const text = words.join(' ');
      const segment = spoken(text, clock + gap, pace);
      clock = segment.endSecond;
      return timed ? segment : segmentOf(text, segment.startSecond, segment.endSecond);
    });
  });
const limits = fc.record({
  maxLineWidth: fc.integer({ min: 10, max: 60 }),
  maxLineCount: fc.integer({ min: 1, max: 3 }),
  maxCueSecond: fc.double({ min: 1, max: 10, noNaN: true }),
});
const letters = (text: string) => text.replaceAll('-->', '->').replace(/\s+/g, '');

describe('any transcript', () => {
  it('keeps all text in order, within the limits, without overlap', () => {
    fc.assert(
      fc.property(segments, fc.option(limits, { nil: DEFAULT_CUE_LIMITS }), (spokenSegments, cueLimits) => {
        const cues = buildCues(transcriptOf(spokenSegments), cueLimits);
        const text = spokenSegments.map((segment) => segment.text).join(' ');
        expect(cues.map(({ lines }) => letters(lines.join(''))).join('')).toBe(letters(text));
        let earliest = 0;
        for (const { startMs, endMs, lines } of cues) {
          expect(startMs).toBeGreaterThanOrEqual(earliest);
          expect(endMs).toBeGreaterThan(startMs);
          expect(endMs - startMs).toBeLessThanOrEqual(cueLimits.maxCueSecond * 1000 + 1);
          expect(lines.length).toBeLessThanOrEqual(cueLimits.maxLineCount);
          for (const line of lines) {
            expect(textWidth(line)).toBeLessThanOrEqual(cueLimits.maxLineWidth);
            expect(line).toMatch(/^\S(?:.*\S)?$/su);
          }
          earliest = endMs;
        }
      }),
      { numRuns: 300 },
    );
  });
});
