import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type OpenAI from 'openai';
import type { APIError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeRecording } from '../support/multipart.ts';
import { loadOpenAiSdk } from '../support/openai-sdk.ts';
import { startTestServer, TEST_KEY, type TestServer } from '../support/test-server.ts';

/** The SDK of the lock file, or the one that scripts/test-sdks.ts names. */
const sdk = await loadOpenAiSdk();
const { OpenAI: Client, toFile } = sdk;

let server: TestServer;
let client: OpenAI;
let folder: string;
let path: string;

beforeAll(async () => {
  server = await startTestServer({
    config: { apiKeys: [TEST_KEY], maxQueue: 2, maxUploadBytes: 1024 * 1024 },
  });
  client = new Client({ apiKey: TEST_KEY, baseURL: `${server.url}/v1`, maxRetries: 0 });
  folder = await mkdtemp(join(tmpdir(), 'steno-sdk-'));
  path = join(folder, 'clip.wav');
  await writeFile(path, fakeRecording());
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const model = 'whisper-1';

describe(`the openai package ${sdk.version}`, () => {
  it('C60 a file stream, chunked, file before model', async () => {
    const transcription = await client.audio.transcriptions.create({ file: createReadStream(path), model });
    expect(transcription.text).toMatch(/^This is recording \w{8}\. It ends with \w{8}\.$/);
    if (sdk.tellsRequestId) expect(transcription._request_id).toMatch(/^req_/);
  });

  it('C60 a buffer, a nameless buffer, a Blob and a web response give the same text', async () => {
    const { text } = await client.audio.transcriptions.create({ file: createReadStream(path), model });
    const files = [
      await toFile(fakeRecording(), 'clip.wav'),
      await toFile(fakeRecording()),
      new File([new Uint8Array(fakeRecording())], 'mp3', { type: 'audio/mpeg' }),
      ...(sdk.retriesUploads ? [new Response(new Uint8Array(fakeRecording()))] : []),
    ];
    for (const file of files)
      expect((await client.audio.transcriptions.create({ file, model })).text).toBe(text);
  });

  it('all response formats: objects for JSON, strings for the others', async () => {
    const file = await toFile(fakeRecording(), 'clip.wav');
    const text: unknown = await client.audio.transcriptions.create({ file, model, response_format: 'text' });
    const srt: unknown = await client.audio.transcriptions.create({ file, model, response_format: 'srt' });
    const vtt: unknown = await client.audio.transcriptions.create({ file, model, response_format: 'vtt' });
    const verbose = await client.audio.transcriptions.create({
      file,
      model,
      response_format: 'verbose_json',
    });
    expect(text).toMatch(/^This is recording .*\n$/);
    expect(srt).toMatch(/^1\n00:00:00,000 --> /);
    expect(vtt).toMatch(/^WEBVTT\n\n00:00:00\.000 --> /);
    expect(verbose).toMatchObject({
      language: 'english',
      duration: 2,
      usage: { type: 'duration', seconds: 2 },
    });
    expect(verbose.segments).toHaveLength(2);
  });

  it('every field at once', async () => {
    await client.audio.transcriptions.create({
      file: await toFile(fakeRecording(), 'clip.wav'),
      model,
      language: 'en',
      prompt: '',
      temperature: 0.2,
      response_format: 'verbose_json',
      timestamp_granularities: ['segment'],
      chunking_strategy: 'auto',
    });
    expect(server.fake.calls.at(-1)?.options).toMatchObject({
      model,
      language: 'en',
      prompt: undefined,
      temperature: 0.2,
    });
  });

  it('C10 C67 words beside segments, and log probabilities', async () => {
    const file = await toFile(fakeRecording(), 'clip.wav');
    const verbose = await client.audio.transcriptions.create({
      file,
      model,
      response_format: 'verbose_json',
      timestamp_granularities: ['word', 'segment'],
    });
    expect(verbose.words?.[0]).toEqual({ word: 'This', start: 0, end: 0.25 });
    expect(verbose.segments).toHaveLength(2);
    const json = await client.audio.transcriptions.create({ file, model, include: ['logprobs'] });
    expect(json.logprobs?.map(({ token }) => token).join('')).toBe(json.text);
  });

  it('C70 chunking_strategy as an object', async () => {
    const { data, response } = await client.audio.transcriptions
      .create({
        file: await toFile(fakeRecording(), 'clip.wav'),
        model,
        chunking_strategy: { type: 'server_vad', threshold: 0.4 },
      })
      .withResponse();
    expect(data.text).toMatch(/^This is/);
    expect(response.headers.get('x-steno-warning')).toContain('chunking_strategy');
  });

  it('fields the package has no types for', async () => {
    const body = {
      file: await toFile(fakeRecording(), 'clip.wav'),
      model,
      keywords: ['Ada', 'Grace'],
      languages: ['en'],
    };
    await client.audio.transcriptions.create(body);
    expect(server.fake.calls.at(-1)?.options).toMatchObject({ keywords: ['Ada', 'Grace'], language: 'en' });
  });

  it.skipIf(!sdk.streams)('C63 a stream: events with types, the loop ends by itself', async () => {
    const stream = await client.audio.transcriptions.create({
      file: await toFile(fakeRecording(), 'clip.wav'),
      model,
      stream: true,
      include: ['logprobs'],
    });
    let joined = '';
    const types: string[] = [];
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === 'transcript.text.delta') joined += event.delta;
      if (event.type === 'transcript.text.done') expect(event.text).toBe(joined);
    }
    expect(types).toEqual(['transcript.text.delta', 'transcript.text.delta', 'transcript.text.done']);
  });

  it.skipIf(!sdk.streams)('a failure in the middle of a stream is an APIError', async () => {
    server.fake.failure = { error: new Error('secret'), when: 'after-segment' };
    const stream = await client.audio.transcriptions.create({
      file: await toFile(fakeRecording(), 'clip.wav'),
      model,
      stream: true,
    });
    const read = async () => {
      for await (const _event of stream);
    };
    await expect(read()).rejects.toBeInstanceOf(sdk.APIError);
    server.fake.failure = undefined;
  });

  it('C72 C73 translations', async () => {
    const file = await toFile(fakeRecording(), 'clip.wav');
    const plain = await client.audio.translations.create({ file, model });
    expect(plain.text).toMatch(/^This is recording/);
    const verbose: unknown = await client.audio.translations.create({
      file,
      model,
      response_format: 'verbose_json',
    });
    expect(verbose).toMatchObject({ task: 'translate', language: 'english' });
    const srt: unknown = await client.audio.translations.create({ file, model, response_format: 'srt' });
    expect(srt).toMatch(/^1\n00:00:00,000 --> /);
  });

  it('models', async () => {
    const ids: string[] = [];
    for await (const entry of client.models.list()) ids.push(entry.id);
    expect(ids).toContain('whisper-1');
    expect(await client.models.retrieve('acme/tiny-speech')).toMatchObject({ id: 'acme/tiny-speech' });
  });
});

describe(`errors in the openai package ${sdk.version}`, () => {
  async function failure(call: Promise<unknown>): Promise<APIError> {
    const error = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof sdk.APIError)) throw new Error(`expected an APIError, got ${String(error)}`);
    return error as APIError;
  }

  it('have the class, code, param and request id of their cause', async () => {
    const file = await toFile(fakeRecording(), 'clip.wav');
    const wrongKey = new Client({
      apiKey: 'sk-wrong-key-000000',
      baseURL: `${server.url}/v1`,
      maxRetries: 0,
    });
    const unauthorized = await failure(wrongKey.audio.transcriptions.create({ file, model }));
    expect(unauthorized).toBeInstanceOf(sdk.AuthenticationError);
    expect(unauthorized).toMatchObject({
      status: 401,
      code: 'invalid_api_key',
      ...(sdk.tellsRequestId ? { requestID: expect.stringMatching(/^req_/) } : {}),
    });
    const badRequest = await failure(client.audio.transcriptions.create({ file, model, temperature: 3 }));
    expect(badRequest).toBeInstanceOf(sdk.BadRequestError);
    expect(badRequest).toMatchObject({
      param: 'temperature',
      code: 'invalid_value',
      type: 'invalid_request_error',
    });
    const notFound = await failure(client.audio.transcriptions.create({ file, model: 'nope' }));
    expect(notFound).toBeInstanceOf(sdk.NotFoundError);
    expect(notFound.code).toBe('model_not_found');
    expect(await failure(client.models.retrieve('nope'))).toBeInstanceOf(sdk.NotFoundError);
  });

  it('C41 C42 413 arrives as an answer, not as a connection error', async () => {
    const large = join(folder, 'large.wav');
    await writeFile(large, fakeRecording(400));
    const buffer = await toFile(fakeRecording(40), 'large.wav');
    for (const file of [buffer, createReadStream(large)])
      expect(await failure(client.audio.transcriptions.create({ file, model }))).toMatchObject({
        status: 413,
        code: 'file_too_large',
      });
  });

  it('C77 503 is tried again after Retry-After, and then succeeds', async () => {
    const release = server.fake.hold();
    const begun = server.fake.calls.length;
    const file = () => toFile(fakeRecording(), 'clip.wav');
    const first = client.audio.transcriptions.create({ file: await file(), model });
    const second = client.audio.transcriptions.create({ file: await file(), model });
    await server.fake.begun(begun + 2);
    const refused = await failure(client.audio.transcriptions.create({ file: await file(), model }));
    expect(refused).toBeInstanceOf(sdk.InternalServerError);
    expect(refused).toMatchObject({ status: 503, code: 'queue_full' });
    if (!sdk.retriesUploads) {
      release();
      await Promise.all([first, second]);
      return;
    }
    const patient = new Client({ apiKey: TEST_KEY, baseURL: `${server.url}/v1`, maxRetries: 2 });
    const retried = patient.audio.transcriptions.create({ file: await file(), model }).asResponse();
    release();
    expect((await first).text).toBe((await second).text);
    expect((await retried).status).toBe(200);
  });
});
