import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageOf } from '../../src/engines/whisper-cpp/binding.ts';
import { fixturePath, wavBytes } from '../support/audio-fixtures.ts';
import { type ToneLanguage, WHISPER_SAYS, WHISPER_TONES, writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { type Answer, expectEnvelope, filePart, postForm } from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

/** The whole server with a small Whisper file made by these tests, whose answers are known (test/support/ggml-whisper.ts). */
const MODEL = 'acme/polyglot';

let hasBinding = true;
try {
  createRequire(import.meta.url).resolve(packageOf('cpu'));
} catch {
  hasBinding = false;
}

describe.skipIf(!hasBinding)(`languages with a Whisper model (needs ${packageOf('cpu')})`, () => {
  let server: TestServer;
  let folder: string;
  let voice: Int16Array;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steno-polyglot-'));
    const path = join(folder, 'polyglot.bin');
    await writeGgmlWhisper(path);
    server = await startTestServer({ transcriber: 'real', config: { engineProcesses: 1 } });
    await server.services.library.importModel({
      path,
      as: MODEL,
      engine: 'whisper-cpp',
      languages: Object.keys(WHISPER_TONES),
      licence: 'MIT',
    });
    const wav = await readFile(fixturePath('jfk.wav'));
    const start = wav.indexOf('data') + 8;
    voice = new Int16Array(Uint8Array.from(wav.subarray(start)).buffer);
  });

  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** A voice for 10 s in each language, that is with the tone the model knows it by, with so much silence between that they are cut there. */
  function speech(...languages: readonly ToneLanguage[]): Buffer {
    const [turn, pause] = [10, 6];
    return wavBytes({
      seconds: languages.length * (turn + pause) - pause,
      generate: (second) => {
        const language = languages[Math.floor(second / (turn + pause))];
        const inside = second % (turn + pause);
        if (inside >= turn || language === undefined) return 0;
        const said = ((voice[Math.floor(inside * 16_000)] ?? 0) / 32_768) * 0.5;
        if (language === 'en') return said;
        return said + 0.1 * Math.sin(2 * Math.PI * WHISPER_TONES[language] * second);
      },
    });
  }

  const says = (language: ToneLanguage) => WHISPER_SAYS[language].map(({ text }) => text).join(' ');

  async function post(
    sound: Buffer,
    fields: Readonly<Record<string, string | readonly string[]>> = {},
    path = '/v1/audio/transcriptions',
  ): Promise<Answer> {
    return postForm(server.url, {
      path,
      file: filePart(sound),
      fields: { model: MODEL, response_format: 'verbose_json', ...fields },
    });
  }

  async function ok(...request: Parameters<typeof post>) {
    const answer = await post(...request);
    expect(`${answer.status} ${answer.text}`).toMatch(/^200 /);
    return JSON.parse(answer.text);
  }

  it('tells the language it heard, by its English name, and keeps to it', async () => {
    const body = await ok(speech('de', 'en'));
    expect(body).toMatchObject({
      task: 'transcribe',
      language: 'german',
      text: `${says('de')} ${says('de')}`,
      usage: { type: 'duration', seconds: 26 },
    });
    expect(body).not.toHaveProperty('warnings');
    expect(body.segments).toHaveLength(2);
    for (const [index, segment] of body.segments.entries()) {
      expect(Object.keys(segment)).toHaveLength(10);
      expect(segment).toMatchObject({ id: index, tokens: [], avg_logprob: 0 });
      for (const value of Object.values(segment)) expect(value).not.toBeNull();
    }
    expect(body.segments[1].start).toBeGreaterThan(15);
    expect((await ok(speech('en'))).language).toBe('english');
  });

  it('tells it in json where it was detected', async () => {
    const json = { response_format: 'json' };
    const usage = { type: 'duration', seconds: 10 };
    expect(await ok(speech('de'), json)).toEqual({ text: says('de'), usage, languages: [{ code: 'de' }] });
    expect(await ok(speech('de'), { ...json, language: 'de' })).toEqual({ text: says('de'), usage });
    expect(await ok(wavBytes({ seconds: 3, generate: () => 0 }), json)).toMatchObject({
      text: '',
      languages: [],
    });
  });

  it('C21 language=de is a command', async () => {
    expect(await ok(speech('en'), { language: 'de' })).toMatchObject({
      language: 'german',
      text: says('de'),
    });
    expect(await ok(speech('de'), { language: 'fr-CA' })).toMatchObject({
      language: 'french',
      text: says('fr'),
    });
  });

  it('refuses a language the model does not know, and says how to get a model that does', async () => {
    const answer = await post(speech('en'), { language: 'ja' });
    const message = expectEnvelope(answer, {
      status: 400,
      param: 'language',
      code: 'unsupported_language',
    });
    expect(message).toContain('steno models pull whisper-large-v3-turbo-q5_0');
    const english = await post(speech('en'), { language: 'de', model: 'whisper-1' });
    expect(expectEnvelope(english, { status: 400, param: 'language' })).toContain(`installed here: ${MODEL}`);
  });

  it('chooses among languages[], and takes the first of them when it hears another', async () => {
    const among = await ok(speech('de'), { 'languages[]': ['fr', 'de'] });
    expect(among).toMatchObject({ language: 'german', text: says('de') });
    const other = await ok(speech('de', 'de'), { 'languages[]': ['fr', 'zh'] });
    expect(other).toMatchObject({ language: 'french', text: `${says('fr')} ${says('fr')}` });
    expect(other.warnings).toEqual([expect.stringMatching(/heard german.*transcribed as french/)]);
    const one = await ok(speech('de'), { 'languages[]': ['zh', 'ja'] });
    expect(one).toMatchObject({ language: 'chinese' });
    expect(one.warnings.join(' ')).toContain('does not know ja');
  });

  it('calls the language of silence unknown', async () => {
    const silence = wavBytes({ seconds: 3, generate: () => 0 });
    expect(await ok(silence)).toMatchObject({ language: 'unknown', text: '', segments: [] });
    expect(await ok(silence, { language: 'fr' })).toMatchObject({ language: 'french', text: '' });
  });

  it('leaves the English model as it is', async () => {
    expect(await ok(speech('de'), { model: 'whisper-1' })).toMatchObject({ language: 'english' });
  });

  it('puts Chinese together without spaces, cuts it into words and subtitles', async () => {
    const fields = { language: 'zh', 'timestamp_granularities[]': ['word', 'segment'] };
    const body = await ok(speech('zh', 'zh'), fields);
    expect(body.text).toBe('你好世界。你好世界。');
    expect(body.words.map(({ word }: { word: string }) => word)).toEqual([
      '你好',
      '世界。',
      '你好',
      '世界。',
    ]);
    for (const { start, end } of body.words) expect(end).toBeGreaterThanOrEqual(start);
    const { text } = await post(speech('zh'), { language: 'zh', response_format: 'vtt' });
    expect(text).toMatch(/^WEBVTT\n\n00:00:00\.\d{3} --> 00:00:01\.\d{3}\n你好世界。\n\n$/);
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['the detected language', {}, `${says('de')} ${says('de')}`],
    ['Chinese', { language: 'zh' }, '你好世界。你好世界。'],
  ])('streams %s: deltas join to the text, usage stands at the end', async (_name, fields, expected) => {
    const { text } = await post(speech('de', 'de'), { stream: 'true', response_format: 'json', ...fields });
    const events = [...text.matchAll(/^data: (\{.*\})\r$/gm)].map(([, json]) => JSON.parse(json ?? ''));
    const deltas = events.filter(({ type }) => type === 'transcript.text.delta');
    expect(deltas).toHaveLength(2);
    expect(deltas.map(({ delta }) => delta).join('')).toBe(expected);
    expect(events.at(-1)).toEqual({
      type: 'transcript.text.done',
      text: expected,
      usage: { type: 'duration', seconds: 26 },
      ...('language' in fields ? {} : { languages: [{ code: 'de' }] }),
    });
    expect(text).toContain('data: [DONE]');
  });

  it('continues from the prompt', async () => {
    expect((await ok(speech('en'), { prompt: 'We saw a zebra' })).text).toBe('Zebra crossing.');
    expect((await ok(speech('en'), { 'keywords[]': ['zebra'] })).text).toBe('Zebra crossing.');
    const { warnings } = await ok(speech('en'), { prompt: 'word '.repeat(300) });
    expect(warnings).toEqual([expect.stringContaining('longer than the 224 tokens')]);
  });

  describe('/v1/audio/translations', () => {
    const path = '/v1/audio/translations';

    it('C72 json is {text} without usage, in English', async () => {
      const answer = await post(speech('de'), { response_format: 'json' }, path);
      expect(answer.text).toBe('{"text":"From German."}');
    });

    it('C73 verbose_json: task translate, language english, no words, no usage', async () => {
      const body = await ok(speech('de', 'de'), {}, path);
      expect(Object.keys(body)).toEqual(['task', 'language', 'duration', 'text', 'segments']);
      expect(body).toMatchObject({
        task: 'translate',
        language: 'english',
        text: 'From German. From German.',
      });
    });

    it('text and subtitles as of transcriptions', async () => {
      expect((await post(speech('de'), { response_format: 'text' }, path)).text).toBe('From German.\n');
      expect((await post(speech('de'), { response_format: 'srt' }, path)).text).toMatch(
        /^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\nFrom German\.\n\n\n$/,
      );
    });

    it('names a model that can when the one asked for cannot', async () => {
      const answer = await post(speech('de'), { model: 'whisper-1' }, path);
      const message = expectEnvelope(answer, { status: 400, param: 'model', code: 'unsupported_value' });
      expect(message).toContain(`installed here: ${MODEL}`);
    });
  });

  it('answers the openai package', async () => {
    const client = new OpenAI({ apiKey: 'unused', baseURL: `${server.url}/v1`, maxRetries: 0 });
    const file = await toFile(speech('de'), 'a.wav');
    const said = await client.audio.transcriptions.create({
      file,
      model: MODEL,
      response_format: 'verbose_json',
    });
    expect(said).toMatchObject({ language: 'german', text: says('de') });
    const translated = await client.audio.translations.create({ file, model: MODEL });
    expect(translated.text).toBe('From German.');
  });
});
