import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import type { Transcript } from '../transcript.ts';
import { RESPONSE_FORMATS, renderInTurns, renderTranscript } from './response-format.ts';

const SENTENCE =
  'And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.';

/** A sentence with its words each eight seconds. */
function speech(hours: number): Transcript {
  const words = SENTENCE.split(' ');
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
    expect(await renderInTurns(transcript, format)).toEqual(renderTranscript(transcript, format));
  });

  it.each(['srt', 'vtt'] as const)('T16 %s of four hours keeps nobody waiting', async (format) => {
    const transcript = speech(4);
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    await renderInTurns(transcript, format);
    delay.disable();
    // In one go it is half a second and more; a busy machine adds some of its own.
    expect(delay.max / 1e6).toBeLessThan(150);
  });
});
