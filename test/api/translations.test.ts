import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectEnvelope, type FormRequest, fakeRecording, filePart, postForm } from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.close());

async function translate(fields: FormRequest['fields'] = {}) {
  const answer = await postForm(server.url, { path: '/v1/audio/translations', fields });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return answer;
}

describe('/v1/audio/translations', () => {
  it('C72 json: text without usage', async () => {
    for (const answer of [
      await translate(),
      await translate({ model: 'whisper-1', response_format: 'json' }),
    ]) {
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(answer.text).toMatch(/^\{"text":"This is recording \w{8}\. It ends with \w{8}\."\}$/);
    }
    expect(server.fake.calls.at(-1)?.options).toMatchObject({ task: 'translate', model: 'whisper-1' });
  });

  it('C73 verbose_json: task translate, language english whatever was spoken, no words, no usage', async () => {
    server.fake.answer = { language: 'de' };
    const answer = await translate({ response_format: 'verbose_json' });
    server.fake.answer = undefined;
    const body = JSON.parse(answer.text);
    expect(Object.keys(body)).toEqual(['task', 'language', 'duration', 'text', 'segments']);
    expect(body).toMatchObject({ task: 'translate', language: 'english', duration: 2 });
    expect(Object.keys(body.segments[0])).toHaveLength(10);
  });

  it('text, srt and vtt are as those of transcriptions', async () => {
    for (const format of ['text', 'srt', 'vtt']) {
      const fields = { response_format: format };
      const answer = await translate(fields);
      expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(answer.text).toBe((await postForm(server.url, { fields })).text);
    }
  });

  it('prompt and temperature reach the transcriber; wrong values are refused', async () => {
    await translate({ prompt: 'Names: Ada.', temperature: '0.4' });
    expect(server.fake.calls.at(-1)?.options).toMatchObject({ prompt: 'Names: Ada.', temperature: 0.4 });
    for (const [name, value] of [
      ['temperature', '2'],
      ['response_format', 'yaml'],
    ] as const) {
      const answer = await postForm(server.url, {
        path: '/v1/audio/translations',
        fields: { [name]: value },
      });
      expectEnvelope(answer, { status: 400, param: name, code: 'invalid_value' });
    }
  });

  it('fields of transcriptions have no effect, and are warned of', async () => {
    const answer = await translate({
      language: 'de',
      stream: 'true',
      'timestamp_granularities[]': 'word',
      'include[]': 'logprobs',
      chunking_strategy: 'auto',
      response_format: 'verbose_json',
    });
    const { warnings } = JSON.parse(answer.text) as { warnings: string[] };
    for (const name of ['language', 'stream', 'timestamp_granularities', 'include', 'chunking_strategy'])
      expect(warnings.join(' ')).toContain(`The field ${name} has no effect on translations.`);
  });

  it('a model that cannot translate refuses, never gives the untranslated text', async () => {
    const { can } = server.fake;
    server.fake.can = { ...can, translate: false };
    const calls = server.fake.calls.length;
    const answer = await postForm(server.url, { path: '/v1/audio/translations' });
    server.fake.can = can;
    const message = expectEnvelope(answer, { status: 400, param: 'model', code: 'unsupported_value' });
    expect(message).toContain('cannot translate');
    expect(server.fake.calls).toHaveLength(calls);
  });

  it('no file, no bytes, an unknown model', async () => {
    const path = '/v1/audio/translations';
    expectEnvelope(await postForm(server.url, { path, file: null }), { status: 400, param: 'file' });
    expectEnvelope(await postForm(server.url, { path, file: filePart(Buffer.alloc(0)) }), { status: 400 });
    expectEnvelope(await postForm(server.url, { path, fields: { model: 'nope' } }), {
      status: 404,
      code: 'model_not_found',
    });
  });

  it('every spelling of the path; other methods are refused', async () => {
    for (const path of [
      '/v1/audio/translations/',
      '/v1//audio/translations',
      '/audio/translations',
      '/openai/v1/audio/translations',
      '/openai/deployments/whisper-1/audio/translations?api-version=2024-06-01',
    ])
      expect({ path, status: (await postForm(server.url, { path })).status }).toEqual({ path, status: 200 });
    const answer = await fetch(`${server.url}/v1/audio/translations`);
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toContain('POST');
  });

  it('C72 with the openai package', async () => {
    const client = new OpenAI({ apiKey: 'unused', baseURL: `${server.url}/v1`, maxRetries: 0 });
    const file = await toFile(fakeRecording(), 'a.wav');
    const { text } = await client.audio.translations.create({ file, model: 'whisper-1' });
    expect(text).toMatch(/^This is recording/);
  });
});
