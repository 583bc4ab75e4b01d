import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectTranscript } from '../../src/transcribe/transcriber.ts';
import type { Transcript } from '../../src/transcript.ts';
import { fixturePath, silence, wavBytes } from '../support/audio-fixtures.ts';
import { startTestServices, type TestServices } from '../support/services.ts';

const CLIPS = 100;
const AT_ONCE = 8;
const JFK_BYTES = 11 * 16_000 * 2;
/** What `wavBytes` puts before the samples. */
const WAV_HEADER_BYTES = 44;

let running: TestServices;

beforeAll(async () => {
  running = await startTestServices();
});
afterAll(() => running[Symbol.asyncDispose]());

/** Stretches of jfk.wav, each of another start and length (0.8 to 6.7 s), so that batches hold all kinds of neighbours. */
async function writeClips(): Promise<string[]> {
  const speech = (await readFile(fixturePath('jfk.wav'))).subarray(-JFK_BYTES);
  return Promise.all(
    Array.from({ length: CLIPS }, async (_, index) => {
      const seconds = 0.8 + (index % 60) / 10;
      const start = Math.round(((index * 0.37) % (11 - seconds)) * 16_000) * 2;
      const wav = wavBytes({ seconds, generate: silence });
      speech.copy(wav, WAV_HEADER_BYTES, start, start + wav.length - WAV_HEADER_BYTES);
      const path = join(running.dataDir, `clip-${index}.wav`);
      await writeFile(path, wav);
      return path;
    }),
  );
}

async function transcribe(path: string): Promise<Transcript> {
  const { size } = await stat(path);
  const options = { model: 'whisper-1', words: true, logprobs: true };
  return collectTranscript(running.services.transcriber.transcribe({ path, sizeBytes: size }, options));
}

describe('R27 results do not depend on load', () => {
  it(`answers ${CLIPS} clips ${AT_ONCE} at once exactly as one after another, words and log probabilities included`, async () => {
    const paths = await writeClips();
    const alone: Transcript[] = [];
    for (const path of paths) alone.push(await transcribe(path));
    const together: Transcript[] = [];
    let next = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let index = next++; index < paths.length; index = next++)
          together[index] = await transcribe(paths[index] ?? '');
      }),
    );
    expect(together).toEqual(alone);
    expect(new Set(alone.map(({ text }) => text)).size).toBeGreaterThan(CLIPS / 3);
  });
});
