import { describe, expect, it } from 'vitest';
import { bestOf } from '../../test/support/best-of.ts';
import { turnsMs } from '../../test/support/turns.ts';
import type { Transcript } from '../transcript.ts';
import { RESPONSE_FORMATS, renderInTurns, renderTranscript } from './response-format.ts';

const SENTENCE =
  'And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.';

const WORDS = SENTENCE.split(' ');

/** A sentence with its words each eight seconds. */
function speech(hours: number): Transcript {
  const words = WORDS;
  const segments = Array.from({ length: hours * 450 }, (_, index) => {
    const start = index * 8;
    const at = (word: number): number => start + (word * 7.5) / words.length;
    return {
      startSecond: start,
      endSecond: start + 7.5,
      text: SENTENCE,
      windowStartSecond: start,
      tokens: words.map((_word, place) => place),
      temperature: 0,
      avgLogprob: -0.2,
      compressionRatio: 1.2,
      noSpeechProbability: 0.01,
      words: words.map((text, place) => ({ text, startSecond: at(place), endSecond: at(place + 1) })),
      logprobs: words.map((text) => ({
        token: ` ${text}`,
        logprob: -0.1,
        bytes: [...Buffer.from(` ${text}`)],
      })),
    };
  });
  const text = segments.map((segment) => segment.text).join(' ');
  return {
    task: 'transcribe',
    model: 'moonshine-tiny',
    language: 'en',
    durationSecond: hours * 3600,
    text,
    segments,
    warnings: [],
  };
}

describe('renderInTurns', () => {
  it.each(RESPONSE_FORMATS)('%s: the same as in one go', async (format) => {
    const transcript = speech(1);
    const { contentType, body } = await renderInTurns(transcript, format);
    expect({ contentType, body: body.toString() }).toEqual(renderTranscript(transcript, format));
  });

  it.each([
    ['verbose_json', { granularities: ['segment', 'word'] }],
    ['verbose_json', { granularities: ['word'] }],
    ['json', { logprobs: true }],
  ] as const)('%s %j is compact JSON, whole', async (format, options) => {
    for (const transcript of [speech(1), { ...speech(0), task: 'translate' as const }]) {
      const body = (await renderInTurns(transcript, format, options)).body.toString();
      const answer = JSON.parse(body);
      expect(body).toBe(JSON.stringify(answer));
      if (format === 'json') expect(answer.logprobs).toHaveLength(transcript.segments.length * WORDS.length);
      else expect(answer.words).toHaveLength(transcript.segments.length * WORDS.length);
      expect('segments' in answer).toBe('granularities' in options && options.granularities.length === 2);
    }
  });

  it.each([
    ['srt', 4, {}],
    ['vtt', 4, {}],
    ['verbose_json', 24, { granularities: ['segment', 'word'] }],
    ['json', 24, { logprobs: true }],
  ] as const)('T16 %s of %i hours keeps nobody waiting', async (format, hours, options) => {
    const transcript = speech(hours);
    // In one go it is half a second and more; a slow machine needs longer for each turn, and for all of them together.
    const longest = async (): Promise<number> => {
      const turns = await turnsMs(() => renderInTurns(transcript, format, options));
      return Math.min(turns.longest, (150 * turns.longest) / (turns.sum / 4));
    };
    expect(await bestOf(`T16: longest turn for ${format}, ms`, 150, longest)).toBeLessThan(150);
  });
});
