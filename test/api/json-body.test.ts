import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectEnvelope, fakeRecording, postForm, RawConnection } from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ config: { maxUploadBytes: 1024 * 1024 } });
});

afterEach(async () => {
  expect(await server.scratchFiles()).toEqual([]);
  expect(server.services.admission.size).toBe(0);
});

afterAll(() => server.close());

async function post(body: unknown, path = '/v1/audio/transcriptions') {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const recording = fakeRecording();
const data = recording.toString('base64');

describe('a JSON body', () => {
  it('gives the same answer as a form: input_audio, a file as data URL, bare base64', async () => {
    const { text } = await postForm(server.url);
    for (const audio of [
      { input_audio: { data, format: 'wav' } },
      { input_audio: { format: 'wav', data: `data:audio/wav;base64,${data}` } },
      { file: `data:audio/webm;codecs=opus;base64,${data}` },
      { file: data },
      { file: recording.toString('base64url') },
      { file: data.replace(/=+$/, '') },
      { file: data.replace(/.{76}/g, '$&\r\n') },
    ])
      expect((await post({ model: 'whisper-1', ...audio })).text).toBe(text);
  });

  it('in any key order, with the escapes that writers of JSON use', async () => {
    const { text } = await postForm(server.url);
    const escapings = [
      data.replaceAll('/', '\\/'),
      data.replace(/[+/=]/g, (character) => `\\u00${character.charCodeAt(0).toString(16).toUpperCase()}`),
    ];
    for (const escaped of escapings) {
      expect(
        (await post(`{"input_audio":{"data":"${escaped}","format":"wav"},"model":"whisper-1"}`)).text,
      ).toBe(text);
      expect((await post(` {\n "model" : "whisper-1" , "file" : "${escaped}" }\n`)).text).toBe(text);
    }
  });

  it('fields have their JSON types, lists and objects too; null counts as absent', async () => {
    const answer = await post({
      model: 'moonshine-tiny',
      language: null,
      temperature: 0.4,
      response_format: 'verbose_json',
      timestamp_granularities: ['word', 'segment'],
      keywords: ['Ada "the" \\ first', 'Ünal'],
      chunking_strategy: { type: 'server_vad', threshold: 0.4 },
      stream: false,
      prompt: '{"data":"not audio"}',
      input_audio: { data, format: 'wav' },
    });
    expect(Object.keys(JSON.parse(answer.text))).toContain('words');
    expect(server.fake.calls.at(-1)?.options).toMatchObject({
      model: 'moonshine-tiny',
      language: undefined,
      temperature: 0.4,
      keywords: ['Ada "the" \\ first', 'Ünal'],
      prompt: '{"data":"not audio"}',
      words: true,
    });
    expect(answer.headers.get('x-steno-warning')).toContain('chunking_strategy');
  });

  it('streams, translates, and works on every path', async () => {
    const streamed = await post({ stream: true, file: data });
    expect(streamed.headers.get('content-type')).toMatch(/^text\/event-stream/);
    for (const path of [
      '/audio/transcriptions',
      '/v1/audio/translations',
      '/openai/deployments/whisper-1/audio/transcriptions',
    ])
      expect((await post({ file: data }, path)).status).toBe(200);
  });

  it('reaches the disk unchanged, cut anywhere', async () => {
    const bytes = Buffer.from(Array.from({ length: 3001 }, (_, index) => (index * 2654435761) >>> 24));
    const body = Buffer.from(
      JSON.stringify({ prompt: 'a', input_audio: { data: bytes.toString('base64') }, n: 1 }),
    );
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
    for (const size of [1, 7, 1000]) {
      const connection = new RawConnection(server.port).post([
        'Content-Type: application/json',
        'Transfer-Encoding: chunked',
      ]);
      for (let start = 0; start < body.length; start += size) {
        const piece = body.subarray(start, start + size);
        connection.write(
          Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]),
        );
      }
      const answer = await connection.write('0\r\n\r\n').response();
      connection.close();
      expect(answer.body).toContain(hash);
    }
  });
});

describe('a JSON body that cannot be used', () => {
  const refusals: Readonly<Record<string, readonly [body: unknown, param: string | null]>> = {
    'no recording': [{ model: 'whisper-1' }, 'file'],
    'the recording is no text': [{ file: 7 }, 'file'],
    'no data in input_audio': [{ input_audio: { format: 'wav' } }, 'file'],
    'an empty recording': [{ file: '' }, 'file'],
    'no base64': [{ input_audio: { data: 'secret words!', format: 'wav' } }, 'input_audio.data'],
    'a data URL that is not base64': [{ file: 'data:text/plain,secret' }, 'file'],
    'padding in the middle': [{ file: 'AAA=AAAA' }, 'file'],
    'a last group of one character': [{ file: 'AAAAA' }, 'file'],
    'two recordings': [{ file: data, input_audio: { data } }, null],
    'a wrong field': [{ file: data, temperature: 'hot' }, 'temperature'],
    'no JSON': ['{"model": whisper}', null],
    'cut short': ['{"model":"whisper-1"', null],
    'cut inside the recording': [`{"file":"${data.slice(0, 100)}`, null],
    'a list': ['[1]', null],
    'a text': ['"file"', null],
    nothing: ['', null],
    'deep nesting': ['['.repeat(10_000), null],
    'a long text': [{ file: data, prompt: 'p'.repeat(300_000) }, null],
    'something after the end': [`{"file":"${data}"}}`, null],
  };
  for (const [name, [body, param]] of Object.entries(refusals))
    it(`C52 ${name}: 400, nothing of it echoed`, async () => {
      const answer = await post(body);
      expect(expectEnvelope(answer, { status: 400, param })).not.toContain('secret');
    });

  it('over the byte limit, with and without a length', async () => {
    const large = JSON.stringify({ file: fakeRecording(40).toString('base64') });
    expectEnvelope(await post(large), { status: 413, code: 'file_too_large' });
    const connection = new RawConnection(server.port).post([
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
    ]);
    const answer = await connection.write(`${large.length.toString(16)}\r\n${large}\r\n`).response();
    connection.close();
    expectEnvelope(answer, { status: 413, code: 'file_too_large' });
  });
});
