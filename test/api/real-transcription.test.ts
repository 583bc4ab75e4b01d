import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CONTAINERS,
  chunk,
  convertWithFfmpeg,
  fixturePath,
  riff,
  silence,
  wavBytes,
  wavFormat,
} from '../support/audio-fixtures.ts';
import {
  BOUNDARY,
  encodeForm,
  expectEnvelope,
  type FormRequest,
  filePart,
  postForm,
  textPart,
} from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

/** Kennedy's sentence in test/fixtures/audio/jfk.wav, 11 s. */
const SENTENCE =
  'and so my fellow americans ask not what your country can do for you ask what you can do for your country';
const SPEECH = fixturePath('jfk.wav');
const EASY_SENTENCE = 'the middle ages brought calligraphy to perfection and it was natural therefore';
const EASY_SPEECH = fileURLToPath(new URL('fixtures/lj001-0016.wav', import.meta.url));

let server: TestServer;
let client: OpenAI;
let speech: Buffer;
let folder: string;

beforeAll(async () => {
  server = await startTestServer({ transcriber: 'real', config: { engineProcesses: 1 } });
  client = new OpenAI({ apiKey: 'unused', baseURL: `${server.url}/v1`, maxRetries: 0 });
  speech = await readFile(SPEECH);
  folder = await mkdtemp(join(tmpdir(), 'steno-real-'));
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

function words(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z' ]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function milliseconds(timestamp: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = timestamp.split(':').map(Number);
  return Math.round((hours * 3600 + minutes * 60 + seconds) * 1000);
}

async function transcribe(request: FormRequest = {}) {
  const answer = await postForm(server.url, { file: filePart(speech), ...request });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return answer;
}

async function transcribeJson(request: FormRequest = {}) {
  return JSON.parse((await transcribe(request)).text) as Record<string, unknown> & { text: string };
}

describe('real speech', () => {
  it('C01 C02 json', async () => {
    const body = await transcribeJson({ fields: { model: 'whisper-1' } });
    expect(words(body.text)).toBe(SENTENCE);
    expect(body.text).toBe(body.text.trim());
    expect(body.usage).toEqual({ type: 'duration', seconds: 11 });
    expect(await transcribeJson({ fields: { model: 'whisper-1', response_format: 'json' } })).toEqual(body);
  });

  it('C03 text', async () => {
    const answer = await transcribe({ fields: { response_format: 'text' } });
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(answer.text).toMatch(/[^\n]\n$/);
    expect(words(answer.text)).toBe(SENTENCE);
  });

  it('C04 C05 C06 srt and vtt', async () => {
    const srt = (await transcribe({ fields: { response_format: 'srt' } })).text;
    const vtt = (await transcribe({ fields: { response_format: 'vtt' } })).text;
    expect(srt).toMatch(/^1\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n/);
    expect(srt).toMatch(/[^\n]\n\n\n$/);
    expect(vtt).toMatch(/^WEBVTT\n\n\d\d:\d\d:\d\d\.\d{3} --> /);
    expect(vtt).toMatch(/[^\n]\n\n$/);
    const cues = srt
      .slice(0, -1)
      .replaceAll(/^\d+\n/gm, '')
      .replaceAll(/(\d\d),(\d{3})/g, '$1.$2');
    expect(vtt).toBe(`WEBVTT\n\n${cues}`);
  });

  it('C07 C09 C15 C17 verbose_json', async () => {
    const body = await transcribeJson({
      fields: { response_format: 'verbose_json', 'timestamp_granularities[]': 'segment' },
    });
    expect(Object.keys(body)).toEqual(['task', 'language', 'duration', 'text', 'segments', 'usage']);
    expect(body).toMatchObject({ task: 'transcribe', language: 'english' });
    expect(body.duration).toBeCloseTo(11, 2);
    const segments = body.segments as {
      id: number;
      start: number;
      end: number;
      seek: number;
      text: string;
    }[];
    expect(segments.map(({ id }) => id)).toEqual([...segments.keys()]);
    expect(segments.map(({ text }) => text.trim()).join(' ')).toBe(body.text);
    let earliest = 0;
    for (const segment of segments) {
      expect(Object.keys(segment)).toHaveLength(10);
      for (const [key, value] of Object.entries(segment))
        if (key !== 'text' && key !== 'tokens') expect(value, key).toBeTypeOf('number');
      expect(segment.start).toBeGreaterThanOrEqual(earliest);
      expect(segment.end).toBeGreaterThan(segment.start);
      expect(segment.seek / 100).toBeLessThanOrEqual(segment.start + 0.005);
      expect(segment.text).toMatch(/^ \S/);
      earliest = segment.start;
    }
  });

  it('C08 C16 words: in order, without outer punctuation, where the sentence says them', async () => {
    const body = await transcribeJson({
      fields: { response_format: 'verbose_json', 'timestamp_granularities[]': 'word' },
    });
    expect(body).not.toHaveProperty('segments');
    const timed = body.words as { word: string; start: number; end: number }[];
    expect(timed.map(({ word }) => word.toLowerCase()).join(' ')).toBe(SENTENCE);
    let earliest = 0;
    for (const { start, end } of timed) {
      expect(start).toBeGreaterThanOrEqual(earliest);
      expect(end).toBeGreaterThan(start);
      earliest = end;
    }
    expect(earliest).toBeLessThanOrEqual(11);
  });

  it('C10 both granularities', async () => {
    const body = await transcribeJson({
      fields: { response_format: 'verbose_json', 'timestamp_granularities[]': ['word', 'segment'] },
    });
    const spoken = body.words as { word: string }[];
    expect(spoken.map(({ word }) => word).join(' ')).toBe(body.text);
    expect((body.segments as object[]).length).toBeGreaterThan(0);
  });

  it('subtitles start when words start, and fit two lines of 42 characters and 7 s', async () => {
    const { words: timed } = await transcribeJson({
      fields: { response_format: 'verbose_json', 'timestamp_granularities[]': 'word' },
    });
    const starts = (timed as { start: number }[]).map(({ start }) => Math.round(start * 1000));
    const vtt = (await transcribe({ fields: { response_format: 'vtt' } })).text;
    for (const cue of vtt.trim().split('\n\n').slice(1)) {
      const [times = '', ...lines] = cue.split('\n');
      const [startMs = 0, endMs = 0] = times.split(' --> ').map(milliseconds);
      expect(starts).toContain(startMs);
      expect(endMs - startMs).toBeLessThanOrEqual(7000);
      expect(lines.length).toBeLessThanOrEqual(2);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(42);
    }
  });

  it('C67 log probabilities spell the text', async () => {
    const body = await transcribeJson({ fields: { 'include[]': 'logprobs' } });
    const tokens = body.logprobs as { token: string; logprob: number; bytes: number[] }[];
    expect(tokens.map(({ token }) => token).join('')).toBe(body.text);
    expect(Buffer.from(tokens.flatMap(({ bytes }) => bytes)).toString()).toBe(body.text);
    for (const { logprob } of tokens) expect(logprob).toBeLessThanOrEqual(0);
  });

  it('keywords and candidates for the language change nothing that was right', async () => {
    const answer = await transcribe({
      fields: { 'keywords[]': ['Kennedy', 'Moonshine'], 'languages[]': 'en' },
    });
    expect(words((JSON.parse(answer.text) as { text: string }).text)).toBe(SENTENCE);
    expect(answer.headers.has('x-steno-warning')).toBe(false);
  });

  it('C72 the English model does not translate', async () => {
    const answer = await postForm(server.url, { path: '/v1/audio/translations', file: filePart(speech) });
    expectEnvelope(answer, { status: 400, param: 'model', code: 'unsupported_value' });
  });

  it('C18 C19 silence is an empty text in every format', async () => {
    const file = filePart(wavBytes({ seconds: 3, generate: silence }));
    expect(await transcribeJson({ file })).toEqual({ text: '', usage: { type: 'duration', seconds: 3 } });
    expect((await transcribe({ file, fields: { response_format: 'srt' } })).text).toBe('\n');
    expect((await transcribe({ file, fields: { response_format: 'vtt' } })).text).toBe('WEBVTT\n\n');
  });

  it('C20 language=en', async () => {
    const body = await transcribeJson({ fields: { language: 'en', response_format: 'verbose_json' } });
    expect(body.language).toBe('english');
    expect(words(body.text)).toBe(SENTENCE);
  });

  it('C21 language=de with the English model', async () => {
    const answer = await postForm(server.url, { file: filePart(speech), fields: { language: 'de' } });
    expectEnvelope(answer, { status: 400, param: 'language', code: 'unsupported_language' });
  });

  it('C25 C26 prompt and temperature are accepted', async () => {
    for (const fields of [
      { prompt: '' },
      { prompt: 'A speech.' },
      { temperature: '0' },
      { temperature: '0.5' },
      { temperature: '1' },
    ])
      await transcribe({ fields });
  });
});

describe('files that are no speech', () => {
  const junk = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 2654435761) >>> 24));

  it('C35 C36 junk under a known and an unknown name', async () => {
    for (const name of ['a.mp3', 'a.xyz']) {
      const answer = await postForm(server.url, { file: filePart(junk, name) });
      expectEnvelope(answer, { status: 400, param: 'file' });
    }
  });

  it('C39 no bytes at all, and a WAV of no samples', async () => {
    for (const bytes of [Buffer.alloc(0), wavBytes({ seconds: 0, generate: silence })])
      expectEnvelope(await postForm(server.url, { file: filePart(bytes) }), { status: 400, param: 'file' });
  });

  it('C40 50 ms of audio', async () => {
    const answer = await postForm(server.url, {
      file: filePart(wavBytes({ seconds: 0.05, generate: silence })),
    });
    expectEnvelope(answer, { status: 400, param: 'file', code: 'audio_too_short' });
  });
});

describe('content decides, not the name', () => {
  it('C37 C38 speech called audio.bin, x.mp3, and nothing', async () => {
    for (const name of ['audio.bin', 'x.mp3', '', 'mp3'])
      expect(words((await transcribeJson({ file: filePart(speech, name) })).text)).toBe(SENTENCE);
  });

  it('C58 opus in webm under a type with parameters', async () => {
    const path = join(folder, 'browser.webm');
    await convertWithFfmpeg(SPEECH, 'webm', path);
    const file = filePart(await readFile(path), 'recording.webm', 'audio/webm; codecs=opus');
    expect(words((await transcribeJson({ file })).text)).toBe(SENTENCE);
  });

  /** An easy sentence: the test is about containers, not about how the model copes with what lossy codecs add. */
  it.each(CONTAINERS)('C59 %s', async (container) => {
    const path = join(folder, `clip.${container}`);
    await convertWithFfmpeg(EASY_SPEECH, container, path);
    const file = filePart(await readFile(path), `clip.${container}`);
    expect(words((await transcribeJson({ file })).text)).toBe(EASY_SENTENCE);
  });
});

describe('the openai package with real speech', () => {
  it('C60 a file stream, and a buffer, give the text of C01', async () => {
    const { text } = await transcribeJson();
    const streamed = await client.audio.transcriptions.create({
      file: createReadStream(SPEECH),
      model: 'whisper-1',
    });
    const buffered = await client.audio.transcriptions.create({
      file: await toFile(speech, 'a.wav'),
      model: 'moonshine-tiny',
    });
    expect(streamed.text).toBe(text);
    expect(buffered.text).toBe(text);
  });

  it('C62 streamed deltas join to the same text', async () => {
    const { text } = await transcribeJson();
    const stream = await client.audio.transcriptions.create({
      file: await toFile(speech, 'a.wav'),
      model: 'whisper-1',
      stream: true,
    });
    let joined = '';
    for await (const event of stream) if (event.type === 'transcript.text.delta') joined += event.delta;
    expect(joined).toBe(text);
  });
});

describe('real concurrency', () => {
  it('C80 ten at once: every answer is that of its own file', async () => {
    const quiet = filePart(wavBytes({ seconds: 2, generate: silence }));
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        transcribeJson({ file: index % 2 === 0 ? filePart(speech) : quiet }),
      ),
    );
    for (const [index, { text }] of answers.entries())
      expect(words(text)).toBe(index % 2 === 0 ? SENTENCE : '');
  });

  it('C81 usage.seconds is rounded up', async () => {
    for (const [seconds, expected] of [
      [1.7, 2],
      [8.47, 9],
    ] as const) {
      const body = await transcribeJson({ file: filePart(wavBytes({ seconds, generate: silence })) });
      expect(body.usage).toEqual({ type: 'duration', seconds: expected });
    }
  });

  it('C66 a client that leaves a long stream frees the place and the disk within 2 s', async () => {
    const long = riff(
      chunk('fmt ', wavFormat({ tag: 1, channels: 1, sampleRate: 16_000, bits: 16 })),
      chunk('data', Buffer.concat(Array.from({ length: 30 }, () => speech.subarray(44)))),
    );
    const controller = new AbortController();
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: encodeForm([filePart(long), textPart('stream', 'true')]),
      signal: controller.signal,
    });
    const first = await response.body?.getReader().read();
    expect(Buffer.from(first?.value ?? []).toString()).toContain('transcript.text.delta');
    expect(server.services.admission.size).toBe(1);
    const startMs = performance.now();
    controller.abort();
    await expect.poll(() => server.services.admission.size, { interval: 10 }).toBe(0);
    await expect.poll(() => server.scratchFiles(), { interval: 10 }).toEqual([]);
    await expect.poll(() => server.services.pools.running, { interval: 10 }).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(words((await transcribeJson()).text)).toBe(SENTENCE);
  });
});
