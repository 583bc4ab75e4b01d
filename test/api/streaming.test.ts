import OpenAI, { toFile } from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { InvalidAudioError } from '../../src/errors.ts';
import {
  BOUNDARY,
  encodeForm,
  expectEnvelope,
  fakeRecording,
  filePart,
  postForm,
  textPart,
} from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterEach(async () => {
  server.fake.failure = undefined;
  await expect.poll(() => server.scratchFiles()).toEqual([]);
  await expect.poll(() => server.services.admission.size).toBe(0);
});

afterAll(() => server.close());

const streamed = { fields: { stream: 'true' } };

function events(text: string): unknown[] {
  return text
    .split('\r\n\r\n')
    .filter((frame) => frame.startsWith('data: {'))
    .map((frame) => JSON.parse(frame.slice('data: '.length)));
}

describe('stream=true', () => {
  it('C62 deltas, one done, [DONE]; only data lines, CRLF', async () => {
    const plain = JSON.parse((await postForm(server.url)).text) as { text: string };
    const answer = await postForm(server.url, streamed);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.text).toMatch(/^(?:data: [^\r\n]+\r\n\r\n)+$/);
    expect(answer.text.endsWith('data: [DONE]\r\n\r\n')).toBe(true);
    const all = events(answer.text) as { type: string; delta?: string; text?: string }[];
    expect(all.map(({ type }) => type)).toEqual([
      'transcript.text.delta',
      'transcript.text.delta',
      'transcript.text.done',
    ]);
    expect(all.map(({ delta }) => delta ?? '').join('')).toBe(plain.text);
    expect(all.at(-1)).toEqual({
      type: 'transcript.text.done',
      text: plain.text,
      usage: { type: 'duration', seconds: 2 },
    });
  });

  it('C62 a delta arrives while the rest is still being worked on', async () => {
    const release = server.fake.hold();
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: encodeForm([filePart(fakeRecording()), textPart('stream', 'true')]),
    });
    const reader = response.body?.getReader();
    const first = await reader?.read();
    expect(Buffer.from(first?.value ?? []).toString()).toMatch(/^data: \{"type":"transcript.text.delta"/);
    release();
    while ((await reader?.read())?.done === false);
  });

  it('C63 with the openai package', async () => {
    const client = new OpenAI({ apiKey: 'unused', baseURL: `${server.url}/v1`, maxRetries: 0 });
    const stream = await client.audio.transcriptions.create({
      model: 'whisper-1',
      file: await toFile(fakeRecording(), 'a.wav'),
      stream: true,
    });
    const types: string[] = [];
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual(['transcript.text.delta', 'transcript.text.delta', 'transcript.text.done']);
  });

  it('C62 C67 deltas and the end carry the tokens when asked, and they spell the text', async () => {
    const answer = await postForm(server.url, { fields: { stream: 'true', 'include[]': 'logprobs' } });
    type Token = { token: string; logprob: number; bytes: number[] };
    const all = events(answer.text) as { delta?: string; text?: string; logprobs: Token[] }[];
    const spell = (tokens: readonly Token[]) => tokens.map(({ token }) => token).join('');
    for (const { delta, logprobs } of all.slice(0, -1)) expect(spell(logprobs)).toBe(delta);
    const done = all.at(-1);
    expect(Object.keys(done ?? {})).toEqual(['type', 'text', 'logprobs', 'usage']);
    expect(spell(done?.logprobs ?? [])).toBe(done?.text);
  });

  it('C62 silence: no delta, an empty end', async () => {
    server.fake.answer = { segments: [], text: '' };
    const answer = await postForm(server.url, streamed);
    server.fake.answer = undefined;
    expect(events(answer.text)).toEqual([
      { type: 'transcript.text.done', text: '', usage: { type: 'duration', seconds: 2 } },
    ]);
  });

  it('warnings known before stand in the header, all of them in the last event', async () => {
    server.fake.answer = { warnings: ['A loop was cut.'] };
    const answer = await postForm(server.url, {
      fields: { stream: 'true', response_format: 'verbose_json', 'known_speaker_names[]': 'Ada' },
    });
    server.fake.answer = undefined;
    expect(answer.headers.get('x-steno-warning')).toMatch(/verbose_json.*known_speaker_names/);
    expect((events(answer.text).at(-1) as { warnings: string[] }).warnings).toEqual([
      expect.stringContaining('verbose_json'),
      expect.stringContaining('known_speaker_names'),
      'A loop was cut.',
    ]);
  });

  it('C64 what can be known before is an ordinary error', async () => {
    expectEnvelope(await postForm(server.url, { fields: { stream: 'true', model: 'nope' } }), {
      status: 404,
      code: 'model_not_found',
    });
    server.fake.failure = { error: new InvalidAudioError('it is no sound'), when: 'at-once' };
    expectEnvelope(await postForm(server.url, streamed), { status: 400, code: 'invalid_audio' });
  });

  it('a failure after the first event is an error event, and the stream ends', async () => {
    server.fake.failure = { error: new Error('secret'), when: 'after-segment' };
    const answer = await postForm(server.url, streamed);
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain('secret');
    expect(answer.text).not.toContain('[DONE]');
    expect(events(answer.text).at(-1)).toMatchObject({
      error: { code: 'internal_error', message: expect.any(String) },
    });
  });

  it('D5 not with srt and vtt; other formats stream events', async () => {
    for (const format of ['srt', 'vtt'])
      expectEnvelope(await postForm(server.url, { fields: { stream: 'true', response_format: format } }), {
        status: 400,
        param: 'response_format',
        code: 'unsupported_value',
      });
    for (const format of ['text', 'verbose_json']) {
      const answer = await postForm(server.url, { fields: { stream: 'true', response_format: format } });
      expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    }
  });

  it('C66 a client that leaves mid-stream stops the work', async () => {
    server.fake.hold();
    const calls = server.fake.calls.length;
    const controller = new AbortController();
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: encodeForm([filePart(fakeRecording()), textPart('stream', 'true')]),
      signal: controller.signal,
    });
    await response.body?.getReader().read();
    const startMs = performance.now();
    controller.abort();
    await server.fake.ended(calls + 1);
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(server.fake.calls.at(-1)?.stopped).toBe(true);
  });
});
