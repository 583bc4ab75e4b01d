import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { capabilitiesOf, type ModelTraits } from '../../src/engines/capabilities.ts';
import { createEngine } from '../../src/engines/create-engine.ts';
import type { Chunk, Engine, FinishedChunk, Hypothesis, TimedText } from '../../src/engines/engine.ts';
import { fixturePath } from '../support/audio-fixtures.ts';
import { chunkOf, drain, transcribeAll, untilIdle } from '../support/drive-engine.ts';
import { writeGgmlParakeet } from '../support/ggml-parakeet.ts';
import { WHISPER_TONES, writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { writeRenamedMoonshine } from '../support/renamed-moonshine.ts';
import { hushSamples, toneSamples } from '../support/tones.ts';
import { hasWhisperBinding, WHISPER_PACKAGE } from '../support/whisper-binding.ts';

const SAMPLE_RATE = 16_000;

interface Subject {
  readonly traits: ModelTraits;
  /** The folder with the model's files; `folder` is a temporary one. */
  prepare(folder: string): Promise<string>;
  /** Sounds that the model has an answer to. */
  voices(): Promise<readonly Float32Array[]>;
}

/** Stretches of jfk.wav in seconds, cut in its pauses. */
const STRETCHES = [
  [0.2, 2.3],
  [3.1, 4.5],
  [5.2, 7.8],
] as const;

async function spokenVoices(): Promise<Float32Array[]> {
  const bytes = await readFile(fixturePath('jfk.wav'));
  const samples = new Int16Array(bytes.buffer.slice(bytes.byteOffset + bytes.length - 11 * SAMPLE_RATE * 2));
  return STRETCHES.map(([from, to]) =>
    Float32Array.from(samples.subarray(from * SAMPLE_RATE, to * SAMPLE_RATE), (sample) => sample / 32_768),
  );
}

const SUBJECTS: Readonly<Record<string, Subject>> = {
  'moonshine, the bundled model': {
    traits: {
      engine: 'moonshine',
      languages: ['en'],
      abilities: { translate: false, words: true, prompt: true },
    },
    prepare: async () => fileURLToPath(new URL('../../models/bundled/moonshine-tiny', import.meta.url)),
    voices: spokenVoices,
  },
  "moonshine, a model that only its publisher's graphs can run": {
    traits: {
      engine: 'moonshine',
      languages: ['en'],
      abilities: { translate: false, words: false, prompt: true },
    },
    prepare: async (folder) => {
      await writeRenamedMoonshine(join(folder, 'renamed'));
      return join(folder, 'renamed');
    },
    voices: spokenVoices,
  },
  [`whisper.cpp (needs ${WHISPER_PACKAGE}), a generated Whisper`]: {
    traits: {
      engine: 'whisper-cpp',
      architecture: 'whisper',
      languages: ['en', 'zh', 'de', 'fr'],
      abilities: { translate: true, words: true, prompt: true },
    },
    prepare: async (folder) => {
      await writeGgmlWhisper(join(folder, 'whisper', 'model.bin'));
      return join(folder, 'whisper');
    },
    voices: async () => Object.values(WHISPER_TONES).map((hertz) => toneSamples(hertz, 3)),
  },
  [`whisper.cpp (needs ${WHISPER_PACKAGE}), a generated Parakeet`]: {
    traits: {
      engine: 'whisper-cpp',
      architecture: 'parakeet',
      languages: ['en', 'de'],
      abilities: { translate: false, words: true, prompt: false },
    },
    prepare: async (folder) => {
      await writeGgmlParakeet(join(folder, 'parakeet', 'model.bin'));
      return join(folder, 'parakeet');
    },
    voices: async () => [toneSamples(300, 2), toneSamples(1200, 3)],
  },
};

for (const [name, { traits, prepare, voices }] of Object.entries(SUBJECTS))
  describe.skipIf(traits.engine === 'whisper-cpp' && !hasWhisperBinding)(name, () => {
    const capabilities = capabilitiesOf(traits);
    let folder: string;
    let engine: Engine;
    let sounds: readonly Float32Array[];

    const open = async (): Promise<Engine> =>
      createEngine(traits.engine, {
        ...traits,
        modelDirectory: await prepare(folder),
        cacheDirectory: join(folder, 'cache'),
        threads: 2,
      });
    const voice = (index = 0): Float32Array => sounds[index % sounds.length] ?? new Float32Array(0);
    const transcribe = async (samples: Float32Array, more: Partial<Chunk> = {}): Promise<Hypothesis> => {
      const [answer] = await transcribeAll(engine, [chunkOf(samples, more)]);
      if (answer === undefined) throw new Error('no answer');
      return answer;
    };

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'steno-engine-'));
      sounds = await voices();
      engine = await open();
    });
    afterAll(async () => {
      await engine.close();
      await rm(folder, { recursive: true });
    });

    it('can do what the catalogue entry says without loading it', () => {
      const { batchSize, ...others } = engine.capabilities;
      expect({ ...others, batchSize: capabilities.batchSize }).toEqual(capabilities);
      expect(batchSize).toBeLessThanOrEqual(capabilities.batchSize);
    });

    it('answers every chunk once and has none left', async () => {
      expect(engine.size).toBe(0);
      const chunks = sounds.map((samples) => chunkOf(samples));
      for (const [index, chunk] of chunks.entries()) {
        engine.admit(chunk);
        expect(engine.size).toBe(index + 1);
      }
      const finished = await drain(engine);
      expect([...finished.keys()].sort()).toEqual(chunks.map(({ id }) => id).sort());
      expect(engine.size).toBe(0);
      expect(await engine.step()).toEqual([]);
    });

    it('says something, in a sound form', async () => {
      for (const samples of sounds) {
        const plain = await transcribe(samples);
        expect(plain.text).not.toBe('');
        expectSound(plain, samples);
        expect('words' in plain).toBe(false);
        if (!capabilities.words) continue;
        const worded = await transcribe(samples, { wantsWords: true });
        expectSound(worded, samples);
        expect(worded.text).toBe(plain.text);
        expect(worded.words).not.toHaveLength(0);
      }
    });

    it('answers the same alone, beside others and in another order', async () => {
      const wantsWords = capabilities.words;
      const alone: Hypothesis[] = [];
      for (const samples of sounds) alone.push(await transcribe(samples, { wantsWords }));
      const order = [...sounds.keys(), ...sounds.keys()].reverse();
      const together = await transcribeAll(
        engine,
        order.map((index) => chunkOf(voice(index), { wantsWords })),
      );
      expect(together).toEqual(order.map((index) => alone[index]));
    });

    it('keeps nothing of a chunk for the next', async () => {
      const before = await transcribe(voice());
      if (capabilities.prompt) await transcribe(voice(1), { prompt: 'A zebra.' });
      if (capabilities.temperature) await transcribe(voice(1), { temperature: 0.8 });
      expect(await transcribe(voice())).toEqual(before);
    });

    it.each([
      ['no sound', () => new Float32Array(0)],
      ['silence', () => new Float32Array(2 * SAMPLE_RATE)],
      ['a hush', () => hushSamples(2)],
    ])('has an answer to %s', async (_, sound) => {
      expectSound(await transcribe(sound()), sound());
    });

    it('takes a chunk of a few milliseconds and one longer than it does well', async () => {
      const short = voice().slice(0, 320);
      const long = new Float32Array((capabilities.longestChunkSecond + 5) * SAMPLE_RATE);
      for (let start = 0; start + voice().length < long.length; start += voice().length)
        long.set(voice(), start);
      for (const samples of [short, long]) expectSound(await transcribe(samples), samples);
    });

    it('forgets a chunk that is cancelled before its turn', async () => {
      const [first, second] = [chunkOf(voice()), chunkOf(voice(1))];
      engine.admit(first);
      engine.admit(second);
      engine.cancel(second.id);
      expect(engine.size).toBe(1);
      expect([...(await drain(engine)).keys()]).toEqual([first.id]);
    });

    it('forgets a chunk that is cancelled while it is computed, and goes on with the next', async () => {
      const expected = await transcribe(voice(1));
      const long = new Float32Array(25 * SAMPLE_RATE).map((_, index) => voice()[index % voice().length] ?? 0);
      const [cancelled, next] = [chunkOf(long), chunkOf(voice(1))];
      engine.admit(cancelled);
      // Slow engines are in the middle of it after one step; a fast one may be done.
      const early = await engine.step();
      engine.cancel(cancelled.id);
      engine.admit(next);
      expect(engine.size).toBe(1);
      const finished = await drain(engine);
      expect([...finished.keys()]).toEqual([next.id]);
      expect(finished.get(next.id)).toMatchObject({ hypothesis: expected });
      expect(early.length).toBeLessThanOrEqual(1);
      await untilIdle(engine);
    });

    it('forgets a chunk that is cancelled while a step runs, and answers the others as ever', async () => {
      const others = [voice(1), voice(2)];
      const expected: Hypothesis[] = [];
      for (const samples of others) expected.push(await transcribe(samples));
      const cancelled = chunkOf(voice());
      const kept = others.map((samples) => chunkOf(samples));
      for (const stepsBefore of [0, 1, 3, 6]) {
        for (const chunk of [cancelled, ...kept]) engine.admit(chunk);
        const early: FinishedChunk[] = [];
        for (let step = 0; step < stepsBefore; step += 1) early.push(...(await engine.step()));
        const stepping = engine.step();
        engine.cancel(cancelled.id);
        early.push(...(await stepping));
        const finished = await drain(engine);
        const answers = new Map([...early.map((chunk) => [chunk.id, chunk] as const), ...finished]);
        for (const [index, { id }] of kept.entries())
          expect(answers.get(id)).toMatchObject({ hypothesis: expected[index] });
        expect(finished.has(cancelled.id)).toBe(false);
        await untilIdle(engine);
      }
    });

    it('does not mind the cancelling of what it does not hold', async () => {
      const chunk = chunkOf(voice());
      engine.cancel(chunk.id);
      await transcribeAll(engine, [chunk]);
      engine.cancel(chunk.id);
      expect(engine.size).toBe(0);
    });

    it('goes on when a chunk fails', async () => {
      const wrong = chunkOf(voice(), { samples: failingSamples() });
      const right = [chunkOf(voice()), chunkOf(voice(1))];
      engine.admit(wrong);
      for (const chunk of right) engine.admit(chunk);
      const finished = await drain(engine);
      expect(finished.get(wrong.id)).toHaveProperty('error');
      for (const { id } of right) expect(finished.get(id)).toHaveProperty('hypothesis');
    });

    it('tells the language only where it can', async () => {
      const { language } = await transcribe(voice());
      if (capabilities.detectsLanguage) expect(capabilities.languages).toContain(language);
      else expect(language).toBeUndefined();
    });

    it('takes each of its languages', async () => {
      for (const language of capabilities.languages)
        expectSound(await transcribe(voice(), { language }), voice());
    });

    it('refuses a language and a task that it does not have', async () => {
      await expect(transcribe(voice(), { language: 'tlh' })).rejects.toThrow(
        /expected a language of .*, got tlh/,
      );
      const translation = transcribe(voice(), { task: 'translate' });
      if (capabilities.translate) expectSound(await translation, voice());
      else await expect(translation).rejects.toThrow('cannot translate');
    });

    it('takes prompt, keywords and temperature, whether it uses them or not', async () => {
      const bias = [{ text: 'Lübeck', source: 'keyword' }] as const;
      const asked = await transcribe(voice(), { prompt: 'As we said before.', bias, temperature: 0.7 });
      expectSound(asked, voice());
      expect(asked.temperature).toBe(capabilities.temperature ? 0.7 : 0);
    });

    it('gives its memory up when it is closed, even in the middle of work', async () => {
      const other = await open();
      other.admit(chunkOf(voice()));
      other.admit(chunkOf(voice(1)));
      await other.step();
      await other.close();
      expect(other.size).toBe(0);
    });
  });

/** What holds for every answer. */
function expectSound(hypothesis: Hypothesis, { length }: Float32Array): void {
  const { text, tokens, tokenEnds, logprobs, segments, words, avgLogprob } = hypothesis;
  expect(text).toBe(text.trim());
  expect(tokenEnds).toHaveLength(tokens.length);
  expect(logprobs).toHaveLength(tokens.length);
  expect([...tokenEnds]).toEqual([...tokenEnds].sort((a, b) => a - b));
  if (tokens.length > 0) expect(tokenEnds.at(-1)).toBe(text.length);
  expect(Number.isFinite(avgLogprob)).toBe(true);
  for (const pieces of [segments, words])
    if (pieces !== undefined) expectPieces(pieces, text, length / SAMPLE_RATE);
}

/** Pieces hold the whole text, in order, and lie one after another inside the chunk. */
function expectPieces(pieces: readonly TimedText[], text: string, lengthSecond: number): void {
  const squeeze = (some: string): string => some.replace(/\s+/g, '');
  expect(squeeze(pieces.map((piece) => piece.text).join(''))).toBe(squeeze(text));
  let previous = 0;
  for (const piece of pieces) {
    expect(piece.text).toBe(piece.text.trim());
    expect(piece.text).not.toBe('');
    expect(piece.startSecond).toBeGreaterThanOrEqual(previous);
    expect(piece.endSecond).toBeGreaterThanOrEqual(piece.startSecond);
    previous = piece.endSecond;
  }
  expect(previous).toBeLessThanOrEqual(lengthSecond);
}

/** Samples that cannot be read: what becomes of a chunk whose computation fails. */
function failingSamples(): Float32Array {
  return new Proxy(new Float32Array(SAMPLE_RATE), {
    get() {
      throw new Error('these samples cannot be read');
    },
  });
}
