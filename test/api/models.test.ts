import OpenAI, { NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CATALOG } from '../../src/models/catalog.ts';
import { expectEnvelope, postForm } from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

let server: TestServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startTestServer({ config: { aliases: { studio: 'whisper-large-v3' } } });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});

afterAll(() => server.close());

async function get(path: string) {
  const response = await fetch(`${server.url}${path}`);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function names(path: string): Promise<string[]> {
  const { data } = JSON.parse((await get(path)).text) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

describe('GET /v1/models', () => {
  it('lists only names that a request may use, so that the pickers of clients hold nothing else', async () => {
    expect(await names('/v1/models')).toEqual(['moonshine-tiny', 'acme/tiny-speech', 'whisper-1']);
  });

  it.each([
    '/v1/models?include=downloadable',
    '/v1/models?include[]=downloadable',
    '/v1/models?include%5B%5D=downloadable',
  ])('adds the rest of the catalogue for %s', async (path) => {
    const listed = await names(path);
    for (const { id, aliases } of CATALOG.models)
      for (const name of [id, ...aliases]) expect(listed).toContain(name);
    expect(new Set(listed).size).toBe(listed.length);
  });

  it('refuses another include and ignores other parameters', async () => {
    expectEnvelope(await get('/v1/models?include=everything'), {
      status: 400,
      param: 'include',
      code: 'invalid_value',
    });
    expect(await names('/v1/models?limit=5&after=x')).toHaveLength(3);
  });

  it('shows what a model is and can do after the keys of OpenAI', async () => {
    const model = JSON.parse((await get('/v1/models/whisper-large-v3-turbo')).text);
    expect(Object.keys(model).slice(0, 4)).toEqual(['id', 'object', 'created', 'owned_by']);
    expect(model).toMatchObject({
      id: 'whisper-large-v3-turbo',
      object: 'model',
      owned_by: 'openai',
      state: 'downloadable',
      model: 'whisper-large-v3-turbo',
      licence: 'MIT',
      size_bytes: 1_624_555_275,
      speed: 'slow',
    });
    expect(model.languages).toContain('de');
    expect(model.abilities).toEqual([
      'transcribe',
      'streaming',
      'words',
      'prompt',
      'keywords',
      'language_detection',
    ]);
  });

  it('shows what a licence forbids', async () => {
    expect(JSON.parse((await get('/v1/models/moonshine-tiny-ja')).text)).toMatchObject({
      licence: 'Moonshine Community License',
      licence_restriction: expect.stringContaining('Non-commercial'),
    });
  });

  it('resolves aliases of the catalogue and of the configuration', async () => {
    for (const name of ['studio', 'openai/whisper-large-v3', 'openai%2Fwhisper-large-v3'])
      expect(JSON.parse((await get(`/v1/models/${name}`)).text)).toMatchObject({
        id: decodeURIComponent(name),
        model: 'whisper-large-v3',
        state: 'downloadable',
      });
  });
});

describe('the openai package', () => {
  it('lists and retrieves', async () => {
    const page = await client.models.list();
    expect(page.data.map(({ id }) => id)).toContain('whisper-1');
    expect(await client.models.retrieve('whisper-1')).toMatchObject({
      object: 'model',
      owned_by: 'useful-sensors',
    });
    expect(await client.models.retrieve('openai/whisper-small')).toMatchObject({
      id: 'openai/whisper-small',
    });
    await expect(client.models.retrieve('gpt-9')).rejects.toBeInstanceOf(NotFoundError);
  });
});

describe('a transcription with a model that is not installed', () => {
  it.each([
    ['/v1/audio/transcriptions', 'whisper-small', 'whisper-small'],
    ['/v1/audio/transcriptions', 'openai/whisper-large-v3-turbo', 'whisper-large-v3-turbo'],
    ['/v1/audio/transcriptions', 'studio', 'whisper-large-v3'],
    ['/v1/audio/translations', 'whisper-medium', 'whisper-medium'],
  ])('%s with %s says how to get it', async (path, model, id) => {
    const answer = await postForm(server.url, { path, fields: { model } });
    const message = expectEnvelope(answer, { status: 404, code: 'model_not_found', param: 'model' });
    expect(message).toContain(`'${model}'`);
    expect(message).toMatch(new RegExp(`steno models pull ${id.replaceAll('.', '\\.')}$`));
  });
});
