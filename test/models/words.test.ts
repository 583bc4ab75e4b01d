import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectTranscript, type TranscribeOptions } from '../../src/transcribe/transcriber.ts';
import type { Transcript } from '../../src/transcript.ts';
import { fixturePath } from '../support/audio-fixtures.ts';
import { startTestServices, type TestServices } from '../support/services.ts';

const JFK = fixturePath('jfk.wav');
/** Words of jfk.wav beside its pauses, whose edges the level of the sound shows, in seconds. */
const KNOWN = [
  { word: 'and', startSecond: 0.32 },
  { word: 'americans', endSecond: 2.15 },
  { word: 'ask', startSecond: 3.28 },
  { word: 'not', startSecond: 3.98 },
  { word: 'not', endSecond: 4.31 },
  { word: 'what', startSecond: 5.41 },
  { word: 'you', endSecond: 7.69 },
  { word: 'ask', startSecond: 8.19 },
] as const;
/** "... by printers in Strasburg, Basle, Paris, Lubeck, and other cities"; the recordings lie beside the repository. */
const LUBECK = fileURLToPath(new URL('../../../shared/audio/ljspeech/LJ001-0028.mp3', import.meta.url));

let running: TestServices;

beforeAll(async () => {
  running = await startTestServices();
});
afterAll(() => running[Symbol.asyncDispose]());

async function transcribe(options: Partial<TranscribeOptions> = {}, path = JFK): Promise<Transcript> {
  const { size } = await stat(path);
  const source = { path, sizeBytes: size };
  return collectTranscript(
    running.services.transcriber.transcribe(source, { model: 'whisper-1', ...options }),
  );
}

describe('words', () => {
  it('gives every word a place in order, inside its segment', async () => {
    const { segments, durationSecond } = await transcribe({ words: true });
    let previous = 0;
    for (const segment of segments) {
      expect(segment.words?.map((word) => word.text).join(' ')).toBe(segment.text);
      expect(segment.words?.[0]?.startSecond).toBe(segment.startSecond);
      expect(segment.words?.at(-1)?.endSecond).toBe(segment.endSecond);
      for (const { startSecond, endSecond } of segment.words ?? []) {
        expect(startSecond).toBeGreaterThanOrEqual(previous);
        expect(endSecond).toBeGreaterThan(startSecond);
        previous = endSecond;
      }
    }
    expect(previous).toBeLessThanOrEqual(durationSecond);
  });

  it('puts them where they are said', async () => {
    const { segments } = await transcribe({ words: true });
    const words = segments.flatMap((segment) => segment.words ?? []);
    for (const known of KNOWN) {
      const said = words.filter((word) => word.text.toLowerCase().replace(/[^a-z]/g, '') === known.word);
      const edge = (word: (typeof words)[number]): number =>
        'startSecond' in known ? word.startSecond - known.startSecond : word.endSecond - known.endSecond;
      expect(Math.min(...said.map((word) => Math.abs(edge(word)))), known.word).toBeLessThan(0.12);
    }
  });

  it('are not there unless asked for, and change nothing else but segment times', async () => {
    const [plain, worded] = await Promise.all([transcribe(), transcribe({ words: true })]);
    expect(plain.text).toBe(worded.text);
    expect(plain.segments.some((segment) => 'words' in segment || 'logprobs' in segment)).toBe(false);
    expect(plain.segments.map((segment) => segment.tokens)).toEqual(
      worded.segments.map((segment) => segment.tokens),
    );
  });
});

describe('logprobs', () => {
  it('are those of the tokens of each segment, to the byte', async () => {
    const { segments, text } = await transcribe({ logprobs: true });
    for (const segment of segments) {
      const logprobs = segment.logprobs ?? [];
      expect(logprobs).toHaveLength(segment.tokens.length);
      expect(
        logprobs
          .map(({ token }) => token)
          .join('')
          .trim(),
      ).toBe(segment.text);
      for (const { token, logprob, bytes } of logprobs) {
        expect(logprob).toBeLessThanOrEqual(0);
        expect(Buffer.from(bytes).toString('utf8')).toBe(token);
      }
    }
    const bytes = segments.flatMap((segment) => segment.logprobs?.flatMap((token) => token.bytes) ?? []);
    expect(Buffer.from(bytes).toString('utf8').trim()).toBe(text);
  });

  it('come with the events of a running transcription', async () => {
    const { size } = await stat(JFK);
    const options = { model: 'whisper-1', logprobs: true, words: true };
    for await (const event of running.services.transcriber.transcribe(
      { path: JFK, sizeBytes: size },
      options,
    )) {
      if (event.type !== 'segment-final') continue;
      expect(event.segment.words?.length).toBeGreaterThan(0);
      expect(event.segment.logprobs?.length).toBeGreaterThan(0);
    }
  });
});

describe('neighbours', () => {
  it('change nothing, whatever each of them asks for', async () => {
    const asked: Partial<TranscribeOptions>[] = [
      {},
      { words: true, logprobs: true },
      { keywords: ['Zarathustra', 'Americana', 'Kuntry'] },
      { keywords: ['Americana'], words: true },
      { prompt: 'A speech by John Fitzgerald Kennedy to his fellow Americans.' },
    ];
    const alone: Transcript[] = [];
    for (const options of asked) alone.push(await transcribe(options));
    const together = await Promise.all([...asked, ...asked].map((options) => transcribe(options)));
    expect(together).toEqual([...alone, ...alone]);
  });
});

describe('vocabulary', () => {
  it.skipIf(!existsSync(LUBECK))('prefers a keyword to what it sounds like, and only there', async () => {
    const terms = ['Lubeck', 'Zarathustra', 'Kubernetes'];
    expect((await transcribe({}, LUBECK)).text).not.toContain('Lubeck');
    const { text } = await transcribe({ keywords: terms }, LUBECK);
    expect(text).toContain('Lubeck');
    expect(text).not.toMatch(/Zarathustra|Kubernetes/);
    expect((await transcribe({ prompt: 'Cities: Lubeck, Strasburg, Reykjavik.' }, LUBECK)).text).toContain(
      'Lubeck',
    );
  });

  it('never writes a prompt that nobody says', async () => {
    const plain = await transcribe();
    const prompted = await transcribe({
      prompt: 'Zarathustra, Kubernetes, Reykjavik and the ZyntriQix tensor.',
    });
    expect(prompted.text).toBe(plain.text);
    expect(prompted.warnings).toEqual([]);
  });

  it('says which keywords it cannot use', async () => {
    const { warnings } = await transcribe({ keywords: ['?!'] });
    expect(warnings.join()).toContain('no letters');
  });
});
