import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectTranscript, type TranscribeOptions } from '../../src/transcribe/transcriber.ts';
import type { Transcript } from '../../src/transcript.ts';
import {
  fixturePath,
  melody,
  pinkNoise,
  type Sound,
  silence,
  wavBytes,
  whiteNoise,
} from '../support/audio-fixtures.ts';
import { startTestServices, type TestServices } from '../support/services.ts';

const JFK = fixturePath('jfk.wav');
const JFK_WORDS =
  'and so my fellow americans ask not what your country can do for you ask what you can do for your country';
/** What `wavBytes` puts before the samples. */
const WAV_HEADER_BYTES = 44;
const JFK_BYTES = 11 * 16_000 * 2;

let running: TestServices;

beforeAll(async () => {
  running = await startTestServices();
});
afterAll(() => running[Symbol.asyncDispose]());

async function transcribe(path: string, options: Partial<TranscribeOptions> = {}): Promise<Transcript> {
  const { size } = await stat(path);
  const events = running.services.transcriber.transcribe(
    { path, sizeBytes: size },
    { model: 'whisper-1', ...options },
  );
  return collectTranscript(events);
}

async function save(name: string, bytes: Buffer): Promise<string> {
  const path = join(running.dataDir, name);
  await writeFile(path, bytes);
  return path;
}

function words(text: string): string {
  return text.toLowerCase().replace(/[^a-z ]/g, '');
}

/** jfk.wav again and again with pauses between, as a 16 kHz mono WAV. */
async function repeatedSpeech(times: number, pauseSecond: number): Promise<Buffer> {
  const speech = (await readFile(JFK)).subarray(-JFK_BYTES);
  const pause = Buffer.alloc(Math.round(pauseSecond * 16_000) * 2);
  const sound = Buffer.concat(Array.from({ length: times }, () => [speech, pause]).flat());
  const wav = wavBytes({ seconds: sound.length / 32_000, generate: silence });
  sound.copy(wav, WAV_HEADER_BYTES);
  return wav;
}

describe('LocalTranscriber with the bundled model', () => {
  it('gets the words of a recording right, in timed phrases', async () => {
    const transcript = await transcribe(JFK);
    expect(words(transcript.text)).toBe(JFK_WORDS);
    expect(transcript).toMatchObject({
      language: 'en',
      durationSecond: 11,
      warnings: [],
      model: 'moonshine-tiny',
    });
    expect(transcript.segments.length).toBeGreaterThan(1);
    for (const segment of transcript.segments) {
      expect(segment.avgLogprob).toBeLessThan(0);
      expect(segment.noSpeechProbability).toBeLessThan(0.5);
      expect(segment.tokens.length).toBeGreaterThan(3);
    }
  });

  it('keeps the text, order and times of a recording of minutes', async () => {
    const times = 16;
    const pauseSecond = 1.5;
    const path = await save('long.wav', await repeatedSpeech(times, pauseSecond));
    const { segments, text, durationSecond } = await transcribe(path);
    expect(words(text).split('fellow american')).toHaveLength(times + 1);
    expect(durationSecond).toBeCloseTo(times * (11 + pauseSecond), 2);
    let previous = 0;
    for (const segment of segments) {
      expect(segment.startSecond).toBeGreaterThanOrEqual(previous);
      expect(segment.endSecond).toBeGreaterThan(segment.startSecond);
      expect(segment.endSecond).toBeLessThanOrEqual(durationSecond);
      expect(segment.endSecond - segment.startSecond).toBeLessThan(15);
      previous = segment.endSecond;
    }
    // Each round starts where it was put: the speech of jfk.wav begins 0.3 s into it.
    const starts = segments
      .filter((segment) => /^and so/i.test(segment.text))
      .map((segment) => segment.startSecond);
    expect(starts).toHaveLength(times);
    for (const [round, start] of starts.entries())
      expect(start).toBeCloseTo(round * (11 + pauseSecond) + 0.3, 0);
  });

  it('gives the same answer alone and beside seven others', async () => {
    const alone = await transcribe(JFK);
    const together = await Promise.all(Array.from({ length: 8 }, () => transcribe(JFK)));
    for (const transcript of together) expect(transcript).toEqual(alone);
  });

  it.each<[string, Sound]>([
    ['digital silence', silence],
    ['white noise', whiteNoise()],
    ['pink noise', pinkNoise()],
    ['a tone melody', melody()],
  ])('invents nothing in ten minutes of %s', async (name, generate) => {
    const path = await save(`${name}.wav`, wavBytes({ seconds: 600, generate }));
    expect(await transcribe(path)).toMatchObject({ text: '', segments: [], durationSecond: 600 });
  });

  it('refuses a language the model does not know and says which it knows', async () => {
    await expect(transcribe(JFK, { language: 'de' })).rejects.toMatchObject({
      code: 'unsupported_language',
      message: expect.stringContaining('transcribes en only'),
    });
  });

  it('refuses an unknown model and names those there are', async () => {
    await expect(transcribe(JFK, { model: 'nope' })).rejects.toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining('moonshine-tiny'),
    });
  });

  it('draws tokens at a temperature above 0', async () => {
    const { segments } = await transcribe(JFK, { temperature: 1 });
    for (const segment of segments) expect(segment.temperature).toBe(1);
  });

  it('stops at once when the caller leaves, and leaves nothing behind', async () => {
    const path = await save('leaving.wav', await repeatedSpeech(30, 1));
    const controller = new AbortController();
    const work = transcribe(path, { signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(work).rejects.toMatchObject({ code: 'aborted' });
    const [space] = await readdir(join(running.dataDir, 'scratch'));
    expect(await readdir(join(running.dataDir, 'scratch', space ?? ''))).toEqual(['owner.pid']);
  });
});
