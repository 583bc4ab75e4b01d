import { cp, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Chunk, Engine, Hypothesis } from '../../src/engines/engine.ts';
import { loadBinding, type NativeWhisperOptions } from '../../src/engines/whisper-cpp/binding.ts';
import { openWhisperCppEngine, type WhisperCppOptions } from '../../src/engines/whisper-cpp/engine.ts';
import { NativeLog } from '../../src/engines/whisper-cpp/native-log.ts';
import { NativeModel } from '../../src/engines/whisper-cpp/native-model.ts';
import { toPcm } from '../../src/engines/whisper-cpp/pcm.ts';
import { chunkOf, drain, transcribeAll } from '../support/drive-engine.ts';
import { PARAKEET_SAYS, writeGgmlParakeet } from '../support/ggml-parakeet.ts';
import { type ToneLanguage, WHISPER_SAYS, WHISPER_TONES, writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { hushSamples, toneSamples } from '../support/tones.ts';
import { hasWhisperBinding, WHISPER_PACKAGE } from '../support/whisper-binding.ts';

const LANGUAGES = ['en', 'zh', 'de', 'fr'] as const satisfies readonly ToneLanguage[];
const TEXTS: Readonly<Record<ToneLanguage, string>> = {
  en: 'Hello world. How are you?',
  de: 'Guten Tag.',
  fr: 'Un café noir.',
  zh: '你好世界。',
};

let folder: string;
let engine: Engine;

async function openIn(name: string, more: Partial<WhisperCppOptions> = {}): Promise<Engine> {
  const abilities = { translate: true, words: true, prompt: true };
  return openWhisperCppEngine({
    modelDirectory: join(folder, name),
    languages: LANGUAGES,
    abilities,
    threads: 2,
    ...more,
  });
}

async function transcribe(
  samples: Float32Array,
  more: Partial<Chunk> = {},
  by: Engine = engine,
): Promise<Hypothesis> {
  const [answer] = await transcribeAll(by, [chunkOf(samples, more)]);
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

describe.skipIf(!hasWhisperBinding)(`whisper.cpp (needs ${WHISPER_PACKAGE})`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steno-whisper-'));
    await writeGgmlWhisper(join(folder, 'whisper', 'model.bin'));
    await writeGgmlParakeet(join(folder, 'parakeet', 'model.bin'));
    engine = await openIn('whisper');
  });
  afterAll(async () => {
    await engine.close();
    await rm(folder, { recursive: true });
  });

  describe('Whisper', () => {
    it.each(LANGUAGES)('finds out that somebody speaks %s', async (code) => {
      const heard = await transcribe(toneSamples(WHISPER_TONES[code], 3));
      expect(heard).toMatchObject({ text: TEXTS[code], language: code, segments: WHISPER_SAYS[code] });
    });

    it.each(LANGUAGES)('writes %s when it is told so, whatever it hears', async (language) => {
      const heard = await transcribe(toneSamples(WHISPER_TONES.en, 3), { language });
      expect(heard.text).toBe(TEXTS[language]);
      expect(heard).not.toHaveProperty('language');
    });

    it.each(LANGUAGES)('translates %s', async (code) => {
      const heard = await transcribe(toneSamples(WHISPER_TONES[code], 3), { task: 'translate' });
      expect(heard).toMatchObject({ language: code, segments: WHISPER_SAYS.translated[code] });
    });

    it('goes on from a prompt', async () => {
      const samples = toneSamples(WHISPER_TONES.en, 3);
      const heard = await transcribe(samples, { prompt: 'We saw a zebra.' });
      expect(heard.segments).toEqual(WHISPER_SAYS.prompted);
      expect((await transcribe(samples, { prompt: 'We saw a horse.' })).text).toBe(TEXTS.en);
    });

    it('is told of keywords, also beside a long prompt', async () => {
      const bias = [{ text: 'zebra', source: 'keyword' }] as const;
      const samples = toneSamples(WHISPER_TONES.en, 3);
      expect((await transcribe(samples, { bias })).text).toBe('Zebra crossing.');
      expect((await transcribe(samples, { bias, prompt: 'you '.repeat(5) })).text).toBe('Zebra crossing.');
    });

    it('takes a prompt of any length', async () => {
      const samples = toneSamples(WHISPER_TONES.en, 3);
      const prompt = `${'a'.repeat(100_000)} zebra`;
      expect((await transcribe(samples, { prompt })).text).toBe('Zebra crossing.');
    });

    it('times words by the tokens they are made of', async () => {
      const { words } = await transcribe(toneSamples(WHISPER_TONES.fr, 3), { wantsWords: true });
      expect(words?.map(({ text }) => text)).toEqual(['Un', 'café', 'noir.']);
      expect(words?.[0]?.startSecond).toBe(0);
      expect(words?.at(-1)?.endSecond).toBe(1.5);
    });

    it('cuts a text without spaces into its words', async () => {
      const { words } = await transcribe(toneSamples(WHISPER_TONES.zh, 3), { wantsWords: true });
      expect(words?.map(({ text }) => text)).toEqual(['你好', '世界。']);
    });

    it('lets no time run into what is surely no speech', async () => {
      const speech = [{ startSample: 8000, endSample: 40_000 }];
      const { segments } = await transcribe(toneSamples(WHISPER_TONES.de, 3), { speech });
      expect(segments?.[0]?.startSecond).toBeCloseTo(0.42, 5);
    });

    it('ends its times with the sound', async () => {
      const { segments } = await transcribe(toneSamples(WHISPER_TONES.de, 0.7), { language: 'de' });
      expect(segments).toEqual([{ text: 'Guten Tag.', startSecond: 0, endSecond: 0.7 }]);
    });

    it('goes on after the first half minute', async () => {
      const { segments } = await transcribe(toneSamples(WHISPER_TONES.de, 65), { language: 'de' });
      expect(segments?.map(({ text, startSecond }) => [text, startSecond])).toEqual([
        ['Guten Tag.', 0],
        ['Guten Tag.', 30],
        ['Guten Tag.', 60],
      ]);
    });

    it('says nothing where the model only notes that it heard nothing', async () => {
      const { text, segments } = await transcribe(hushSamples(3));
      expect(text).toBe('');
      expect(segments).toEqual([]);
    });

    it('tries again at higher temperatures when the answer is a loop, and the same way each time', async () => {
      const samples = toneSamples(WHISPER_TONES.en, 3);
      const first = await transcribe(samples, { language: 'en', prompt: 'loop' });
      expect(first).toMatchObject({ text: TEXTS.en, temperature: 0.2 });
      await transcribe(samples, { language: 'en', temperature: 0.9 });
      expect(await transcribe(samples, { language: 'en', prompt: 'loop' })).toEqual(first);
    });

    it('leaves one turn of a loop when a temperature was asked for', async () => {
      const samples = toneSamples(WHISPER_TONES.en, 3);
      const looped = await transcribe(samples, { language: 'en', prompt: 'loop', temperature: 0.1 });
      expect(looped).toMatchObject({ text: 'again', trouble: 'loop-cut', temperature: 0.1 });
    });

    it('lingers on a chunk that is cancelled in the middle, says so, and stops saying so', async () => {
      const [first, second] = [chunkOf(toneSamples(300, 120)), chunkOf(toneSamples(1200, 3))];
      engine.admit(first);
      expect(await engine.step()).toEqual([]);
      expect(engine.lingering).toBe(false);
      engine.cancel(first.id);
      expect(engine.lingering).toBe(true);
      expect(engine.size).toBe(0);
      engine.admit(second);
      expect([...(await drain(engine)).keys()]).toEqual([second.id]);
      expect(engine.lingering).toBe(false);
    });
  });

  describe('an English-only Whisper', () => {
    it('is never asked for the language', async () => {
      await writeGgmlWhisper(join(folder, 'english', 'model.bin'), { multilingual: false });
      const english = await openIn('english', { languages: ['en'] });
      expect(english.capabilities.detectsLanguage).toBe(false);
      expect((await transcribe(toneSamples(300, 3), {}, english)).text).toBe(TEXTS.en);
      await english.close();
    });

    it('is not taken for one that knows more', async () => {
      await writeGgmlWhisper(join(folder, 'english', 'model.bin'), { multilingual: false });
      await expect(openIn('english')).rejects.toThrow(
        'knows English only, and is said to know en, zh, de, fr',
      );
    });
  });

  describe('Parakeet', () => {
    it('says its text as one segment, for each chunk anew', async () => {
      const parakeet = await openIn('parakeet', { architecture: 'parakeet', languages: ['en', 'de'] });
      for (const seconds of [1, 12, 3]) {
        const heard = await transcribe(toneSamples(300, seconds), {}, parakeet);
        expect(heard.text).toBe(PARAKEET_SAYS);
        expect(heard.segments).toEqual([{ text: PARAKEET_SAYS, startSecond: 0, endSecond: seconds }]);
      }
      await parakeet.close();
    });
  });

  describe('a native run that fails', () => {
    it('says what whisper.cpp says, and harms no other', async () => {
      const binding = loadBinding('cpu');
      const log = NativeLog.open(binding);
      const model = await NativeModel.open<NativeWhisperOptions>({
        open: () =>
          new binding.WhisperContext({ filePath: join(folder, 'whisper', 'model.bin'), useGpu: false }),
        log,
      });
      const options = { maxThreads: 1, language: 'de', translate: false, temperature: 0, temperatureInc: 0 };
      const pcm = toPcm(toneSamples(300, 2));
      await expect(model.run(pcm, { ...options, bestOf: 9 }).ended).rejects.toThrow(
        'the model failed on this chunk: too many decoders requested (9), max = 8',
      );
      expect(await model.run(pcm, { ...options, bestOf: 1 }).ended).toMatchObject({ result: ' Guten Tag.' });
      await model.close();
      log.close();
    });
  });

  describe('a model that cannot be opened', () => {
    const whisper = (): Promise<Buffer> => readFile(join(folder, 'whisper', 'model.bin'));
    const openBytes = async (bytes: Uint8Array): Promise<Engine> => {
      await cp(join(folder, 'whisper'), join(folder, 'wrong'), { recursive: true });
      await writeFile(join(folder, 'wrong', 'model.bin'), bytes);
      return openIn('wrong');
    };

    it('is no model at all', async () => {
      await expect(openBytes(Buffer.from('<!doctype html><p>not here'))).rejects.toThrow(
        'expected a ggml model file',
      );
      await expect(openBytes(Buffer.alloc(0))).rejects.toThrow('got an empty file');
    });

    it('is cut off anywhere: in its head, its words, a tensor, the last tensor', async () => {
      const bytes = await whisper();
      for (const length of [4, 40, 3000, 66_000, bytes.length / 2, bytes.length - 1])
        await expect(openBytes(bytes.subarray(0, Math.floor(length)))).rejects.toThrow('damaged');
    });

    it('has bytes behind its end', async () => {
      await expect(openBytes(Buffer.concat([await whisper(), Buffer.alloc(100)]))).rejects.toThrow('damaged');
    });

    it('has its weights gone', async () => {
      const bytes = await whisper();
      await expect(
        openBytes(bytes.subarray(0, bytes.indexOf('encoder.positional_embedding') - 20)),
      ).rejects.toThrow('it holds no weights');
    });

    it('says what whisper.cpp says of tensors it does not know, and no path', async () => {
      const bytes = Buffer.from(await whisper());
      bytes.write('encoder.ln_post.weighT', bytes.indexOf('encoder.ln_post.weight'));
      const refusal = openBytes(bytes);
      await expect(refusal).rejects.toThrow("unknown tensor 'encoder.ln_post.weighT' in model file");
      await expect(refusal).rejects.not.toThrow(folder);
    });

    it('has any one byte of its head wrong: it is refused or works, and never ends the process', async () => {
      const bytes = await whisper();
      for (let place = 0; place < 56; place += 1) {
        const wrong = Buffer.from(bytes);
        wrong.writeUInt8((wrong.readUInt8(place) + 0x55) % 256, place);
        const opened = await openBytes(wrong).catch((error: unknown) => error);
        if (opened instanceof Error) expect(opened.message).not.toContain(folder);
        else await (opened as Engine).close();
      }
    });

    it('is of the other architecture', async () => {
      await expect(openIn('parakeet')).rejects.toThrow('expected a Whisper model, got a Parakeet model');
      await expect(openIn('whisper', { architecture: 'parakeet' })).rejects.toThrow(
        'expected a Parakeet model, got a Whisper model',
      );
    });

    it('is a Parakeet that is cut off', async () => {
      const path = join(folder, 'wrong', 'model.bin');
      await cp(join(folder, 'parakeet', 'model.bin'), path);
      const { size } = await (await open(path)).stat();
      await truncate(path, size - 10);
      await expect(openIn('wrong', { architecture: 'parakeet' })).rejects.toThrow('damaged');
    });

    it('is missing, or one of several', async () => {
      await rm(join(folder, 'wrong', 'model.bin'), { force: true });
      await expect(openIn('wrong')).rejects.toThrow('holds no file that ends in .bin');
      await writeFile(join(folder, 'wrong', 'a.bin'), 'a');
      await writeFile(join(folder, 'wrong', 'b.bin'), 'b');
      await expect(openIn('wrong')).rejects.toThrow('several model files, expected one: a.bin, b.bin');
    });

    it('wants a build that is not installed', async () => {
      const name = `@fugood/node-whisper-${process.platform}-${process.arch}-cuda`;
      await expect(openIn('whisper', { variant: 'cuda' })).rejects.toThrow(
        `need the package ${name}, which is not installed: npm install ${name}@1.1`,
      );
    });
  });
});
