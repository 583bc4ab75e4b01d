import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectEnvelope, fakeRecording, filePart, postForm, textPart } from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

let server: TestServer;
let strict: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  strict = await startTestServer({ config: { strictModel: true } });
});

afterAll(async () => {
  await server.close();
  await strict.close();
});

async function expectAccepted(fields: Record<string, string | readonly string[]>) {
  const answer = await postForm(server.url, { fields });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return { answer, options: server.fake.calls.at(-1)?.options };
}

async function expectRefused(
  fields: Record<string, string | readonly string[]>,
  param: string,
  code?: string,
) {
  const answer = await postForm(server.url, { fields });
  return expectEnvelope(answer, { status: 400, param, ...(code === undefined ? {} : { code }) });
}

describe('language', () => {
  it('C20 language=en', async () => {
    const { answer, options } = await expectAccepted({ language: 'en', response_format: 'verbose_json' });
    expect(JSON.parse(answer.text)).toMatchObject({ language: 'english' });
    expect(options?.language).toBe('en');
  });

  it('C20 tags are mapped to their primary language, in any case', async () => {
    for (const language of ['en-US', 'EN', 'en_GB', ' en ']) {
      const { options } = await expectAccepted({ language });
      expect(options?.language).toBe('en');
    }
  });

  it('C21 a language the model does not know is refused, never taken for English', async () => {
    const message = await expectRefused({ language: 'de' }, 'language', 'unsupported_language');
    expect(message).toContain('en');
  });

  it('C22 a name is no code', async () => {
    await expectRefused({ language: 'english' }, 'language', 'invalid_language_format');
  });

  it('C23 an unknown code', async () => {
    for (const language of ['xx', 'constructor', '12', 'e'])
      await expectRefused({ language }, 'language', 'invalid_language_format');
  });

  it('C24 an empty language, and auto, count as absent', async () => {
    for (const language of ['', 'auto', 'AUTO']) {
      const { options } = await expectAccepted({ language });
      expect(options?.language).toBeUndefined();
    }
  });
});

describe('prompt and temperature', () => {
  it('C25 an empty prompt', async () => {
    const { options } = await expectAccepted({ prompt: '' });
    expect(options?.prompt).toBeUndefined();
  });

  it('a prompt reaches the transcriber as it is', async () => {
    const { options } = await expectAccepted({ prompt: 'Zürich, naïve\nΩ' });
    expect(options?.prompt).toBe('Zürich, naïve\nΩ');
  });

  it('C26 temperatures from 0 to 1', async () => {
    for (const [temperature, value] of [
      ['0', 0],
      ['0.5', 0.5],
      ['1', 1],
      ['0.0', 0],
      ['1e-1', 0.1],
    ] as const) {
      const { options } = await expectAccepted({ temperature });
      expect(options?.temperature).toBe(value);
    }
  });

  it('C27 temperatures out of range', async () => {
    for (const temperature of ['1.5', '-0.1', '1e999'])
      await expectRefused({ temperature }, 'temperature', 'invalid_value');
  });

  it('C28 a temperature that is no number, not echoed', async () => {
    for (const temperature of ['hot', 'NaN', '0x1', '1,0', 'Infinity']) {
      const message = await expectRefused({ temperature }, 'temperature', 'invalid_value');
      expect(message).not.toContain(temperature);
    }
  });
});

describe('response_format', () => {
  it('C29 an unknown format names the known ones', async () => {
    const message = await expectRefused({ response_format: 'yaml' }, 'response_format', 'invalid_value');
    expect(message).toContain('json, text, srt, verbose_json, vtt');
  });

  it('C68 C69 diarized_json is not offered, with a chunking strategy or without, nor as a stream', async () => {
    for (const fields of [{}, { chunking_strategy: 'auto' }, { stream: 'true' }])
      await expectRefused(
        { response_format: 'diarized_json', ...fields },
        'response_format',
        'invalid_value',
      );
  });
});

describe('model', () => {
  it('C33 no model: the default', async () => {
    const { options } = await expectAccepted({});
    expect(options?.model).toBe('whisper-1');
  });

  it('C33 no model in strict mode', async () => {
    const answer = await postForm(strict.url);
    expectEnvelope(answer, { status: 400, param: 'model', code: 'missing_required_parameter' });
    expect((await postForm(strict.url, { fields: { model: 'whisper-1' } })).status).toBe(200);
  });

  it('C34 an unknown model', async () => {
    const answer = await postForm(server.url, { fields: { model: 'does-not-exist' } });
    const message = expectEnvelope(answer, { status: 404, param: 'model', code: 'model_not_found' });
    expect(message).toContain('moonshine-tiny');
  });
});

describe('other fields', () => {
  it('C30 an unknown field is ignored, and named in a warning', async () => {
    const { answer } = await expectAccepted({
      foo: 'bar',
      __proto__x: '1',
      'x[y][z]': '1',
      constructor: 'x',
    });
    expect(answer.headers.get('x-steno-warning')).toBe(
      'Unknown fields were ignored: foo, __proto__x, x[y][z], constructor.',
    );
  });

  it('of duplicates the last one counts', async () => {
    const { options } = await expectAccepted({ prompt: ['first', 'second'] });
    expect(options?.prompt).toBe('second');
  });

  it('C65 the spellings of false', async () => {
    for (const stream of ['false', 'False', '0', '']) {
      const { answer } = await expectAccepted({ stream });
      expect(answer.headers.get('content-type')).toBe('application/json');
    }
  });

  it('C65 a stream value that is no boolean', async () => {
    await expectRefused({ stream: 'maybe' }, 'stream');
  });

  it('C70 chunking_strategy in its encodings; numbers that have no effect are warned of', async () => {
    const auto = await expectAccepted({ chunking_strategy: 'auto' });
    expect(auto.answer.headers.has('x-steno-warning')).toBe(false);
    for (const fields of [
      { chunking_strategy: '{"type":"server_vad","threshold":0.4}' },
      { 'chunking_strategy[type]': 'server_vad', 'chunking_strategy[threshold]': '0.4' },
    ]) {
      const { answer } = await expectAccepted(fields);
      expect(answer.headers.get('x-steno-warning')).toContain('chunking_strategy');
    }
  });

  it('C71 an unknown chunking strategy', async () => {
    await expectRefused({ 'chunking_strategy[type]': 'banana' }, 'chunking_strategy');
    await expectRefused({ chunking_strategy: 'banana' }, 'chunking_strategy');
    await expectRefused({ chunking_strategy: '{"type":' }, 'chunking_strategy');
  });

  it('keywords reach the transcriber, in every spelling of a list', async () => {
    const spellings: Record<string, string | readonly string[]>[] = [
      { 'keywords[]': ['Ada Lovelace', 'Grace'] },
      { keywords: ['Ada Lovelace', 'Grace'] },
      { 'keywords[0]': 'Ada Lovelace', 'keywords[1]': 'Grace' },
      { keywords: '["Ada Lovelace","Grace"]' },
    ];
    for (const fields of spellings) {
      const { answer, options } = await expectAccepted(fields);
      expect(options?.keywords).toEqual(['Ada Lovelace', 'Grace']);
      expect(answer.headers.has('x-steno-warning')).toBe(false);
    }
    expect((await expectAccepted({ 'keywords[]': '' })).options?.keywords).toBeUndefined();
  });

  it('keywords: a thousand terms as parts of their own, no more, none longer than 256 characters', async () => {
    const terms = Array.from({ length: 1000 }, (_, index) => `term ${index}`);
    expect((await expectAccepted({ 'keywords[]': terms })).options?.keywords).toEqual(terms);
    await expectRefused({ 'keywords[]': [...terms, 'one more'] }, 'keywords[]', 'invalid_value');
    await expectRefused({ 'keywords[]': 'x'.repeat(257) }, 'keywords[]', 'invalid_value');
    await expectRefused({ keywords: '[{"term":"x"}]' }, 'keywords', 'invalid_value');
  });

  it('languages are candidates: one that the model knows is enough, the others are warned of', async () => {
    const one = await expectAccepted({ 'languages[]': ['en'] });
    expect(one.options?.language).toBe('en');
    expect(one.answer.headers.has('x-steno-warning')).toBe(false);
    const two = await expectAccepted({ 'languages[]': ['de', 'en-US', 'auto'] });
    expect(two.options?.language).toBe('en');
    expect(two.answer.headers.get('x-steno-warning')).toContain('does not know de');
    const beside = await expectAccepted({ 'languages[]': ['en', 'de'], language: 'en' });
    expect(beside.answer.headers.get('x-steno-warning')).toContain('beside language');
    await expectRefused({ 'languages[]': ['de', 'fr'] }, 'languages[]', 'unsupported_language');
    await expectRefused({ 'languages[]': ['en', 'english'] }, 'languages[]', 'invalid_language_format');
  });

  it('fields for speakers have no effect, visibly', async () => {
    const { answer } = await expectAccepted({
      'known_speaker_names[]': 'Ada',
      'known_speaker_references[]': 'data:audio/wav;base64,AA==',
      response_format: 'verbose_json',
    });
    expect(answer.headers.get('x-steno-warning')).toContain('known_speaker_names');
    expect(JSON.parse(answer.text).warnings).toHaveLength(2);
  });

  it('NUL in a field', async () => {
    await expectRefused({ prompt: 'a\0b' }, 'prompt');
  });

  it('several faults: the first names the param, all are told', async () => {
    const message = await expectRefused({ temperature: '7', response_format: 'yaml' }, 'response_format');
    expect(message).toContain('temperature');
  });
});

describe('any fields at all', () => {
  const name = fc.oneof(
    fc.constantFrom(
      'model',
      'language',
      'temperature',
      'response_format',
      'stream',
      'chunking_strategy',
      'chunking_strategy[type]',
    ),
    fc.constantFrom(
      'timestamp_granularities[]',
      'include[0]',
      'prompt',
      '__proto__',
      'constructor',
      'file',
      'x[y]',
    ),
  );
  const value = fc.oneof(
    fc.constantFrom(
      '',
      '0',
      '1e999',
      '-1',
      'NaN',
      'true',
      'null',
      '[]',
      '{}',
      '["word"]',
      'whisper-1',
      'en',
      'json',
      'srt',
      'auto',
      '\0',
    ),
    fc.string({ unit: 'binary', maxLength: 40 }),
  );

  it('give 200 or a 4xx of the usual shape, never a 5xx', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 6 }), async (fields) => {
        const parts = [...fields.map(([key, text]) => textPart(key, text)), filePart(fakeRecording(0.1))];
        const answer = await postForm(server.url, { parts });
        if (answer.status !== 200) {
          expect([400, 404]).toContain(answer.status);
          expectEnvelope(answer, { status: answer.status });
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('file', () => {
  it('C31 no file', async () => {
    const answer = await postForm(server.url, { fields: { model: 'whisper-1' }, file: null });
    expectEnvelope(answer, { status: 400, param: 'file', code: 'missing_required_parameter' });
  });

  it('C32 the file as a text field, content not echoed', async () => {
    const answer = await postForm(server.url, { parts: [textPart('file', 'secret words of the user')] });
    expect(expectEnvelope(answer, { status: 400, param: 'file' })).not.toContain('secret');
  });

  it('C39 a file of no bytes', async () => {
    const answer = await postForm(server.url, { file: filePart(Buffer.alloc(0)) });
    expectEnvelope(answer, { status: 400, param: 'file', code: 'audio_too_short' });
  });

  it('undecodable bytes are the transcriber’s 400', async () => {
    const answer = await postForm(server.url, { file: filePart(Buffer.from('tiny')) });
    expectEnvelope(answer, { status: 400, param: 'file', code: 'invalid_audio' });
  });

  it('an unexpected fault is a 500 that gives nothing away', async () => {
    server.fake.failure = { error: new Error('secret path /etc/passwd'), when: 'at-once' };
    const answer = await postForm(server.url, { file: filePart(fakeRecording()) });
    server.fake.failure = undefined;
    expect(expectEnvelope(answer, { status: 500, code: 'internal_error' })).not.toContain('passwd');
  });

  it('nothing stays on disk, whatever the outcome', async () => {
    expect(await server.scratchFiles()).toEqual([]);
  });
});
