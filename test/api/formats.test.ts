import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeSegment } from '../support/fake-transcriber.ts';
import { expectEnvelope, fakeRecording, filePart, postForm } from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const SEGMENT_KEYS = [
  'id',
  'seek',
  'start',
  'end',
  'text',
  'tokens',
  'temperature',
  'avg_logprob',
  'compression_ratio',
  'no_speech_prob',
];

let server: TestServer;
let withWords: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  withWords = await startTestServer();
  const words = [
    { text: 'Hello,', startSecond: 0.1, endSecond: 0.4 },
    { text: '--', startSecond: 0.4, endSecond: 0.4 },
    { text: 'there.', startSecond: 0.4, endSecond: 0.8004 },
  ];
  withWords.fake.answer = {
    segments: [{ ...fakeSegment('Hello, there.', 0, 1), words }],
    text: 'Hello, there.',
  };
});

afterAll(async () => {
  await server.close();
  await withWords.close();
});

async function verbose(
  target: TestServer,
  granularities: readonly string[],
  name = 'timestamp_granularities[]',
) {
  const answer = await postForm(target.url, {
    fields: { response_format: 'verbose_json', [name]: granularities },
  });
  expect(answer.status).toBe(200);
  return JSON.parse(answer.text) as Record<string, unknown>;
}

describe('response formats', () => {
  it('C01 C02 json: text and usage, compact, no charset', async () => {
    const plain = await postForm(server.url, { fields: { model: 'whisper-1' } });
    const named = await postForm(server.url, { fields: { model: 'whisper-1', response_format: 'json' } });
    expect(plain.headers.get('content-type')).toBe('application/json');
    expect(plain.text).toMatch(
      /^\{"text":"This is recording \w{8}\. It ends with \w{8}\.","usage":\{"type":"duration","seconds":2\}\}$/,
    );
    expect(named.text).toBe(plain.text);
    expect(Number(plain.headers.get('openai-processing-ms'))).toBeGreaterThanOrEqual(0);
  });

  it('C03 text: the transcript and one line feed', async () => {
    const json = JSON.parse((await postForm(server.url)).text) as { text: string };
    const answer = await postForm(server.url, { fields: { response_format: 'text' } });
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(answer.text).toBe(`${json.text}\n`);
  });

  it('C04 srt: counters, commas, three line feeds at the end', async () => {
    const answer = await postForm(server.url, { fields: { response_format: 'srt' } });
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(answer.text).toMatch(
      /^1\n00:00:00,000 --> 00:00:01,000\nThis is recording \w{8}\.\n\n2\n00:00:01,000 --> 00:00:02,000\nIt ends with \w{8}\.\n\n\n$/,
    );
  });

  it('C05 vtt: text/plain, hours, no cue numbers, two line feeds at the end', async () => {
    const answer = await postForm(server.url, { fields: { response_format: 'vtt' } });
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(answer.text).toMatch(
      /^WEBVTT\n\n00:00:00\.000 --> 00:00:01\.000\nThis is recording \w{8}\.\n\n00:00:01\.000 --> 00:00:02\.000\nIt ends with \w{8}\.\n\n$/,
    );
  });

  it('C06 srt and vtt hold the same cues', async () => {
    const srt = (await postForm(server.url, { fields: { response_format: 'srt' } })).text;
    const vtt = (await postForm(server.url, { fields: { response_format: 'vtt' } })).text;
    const counters = '1\n2\n'.length;
    expect(vtt.length).toBe(srt.length - counters - 1 + 8);
    expect(vtt.slice(8)).toBe(
      srt
        .slice(0, -1)
        .replaceAll(/^\d+\n/gm, '')
        .replaceAll(/(\d\d),(\d{3})/g, '$1.$2'),
    );
  });

  it('C07 verbose_json without granularity: segments, no words, keys in the recorded order', async () => {
    const body = await verbose(server, []);
    expect(Object.keys(body)).toEqual(['task', 'language', 'duration', 'text', 'segments', 'usage']);
    expect(body).toMatchObject({ task: 'transcribe', language: 'english', duration: 2 });
    expect(body.usage).toEqual({ type: 'duration', seconds: 2 });
  });

  it('C08 C11 C16 word granularity in every spelling: bare words in order, and the key segments is absent', async () => {
    for (const name of [
      'timestamp_granularities[]',
      'timestamp_granularities',
      'timestamp_granularities[0]',
    ]) {
      const body = await verbose(withWords, ['word'], name);
      expect(Object.keys(body)).toEqual(['task', 'language', 'duration', 'text', 'words', 'usage']);
      expect(body.words).toEqual([
        { word: 'Hello', start: 0.1, end: 0.4 },
        { word: 'there', start: 0.4, end: 0.8 },
      ]);
    }
    expect(withWords.fake.calls.at(-1)?.options).toMatchObject({ words: true, logprobs: false });
  });

  it('C16 only outer punctuation goes, and rounded times never run backwards', async () => {
    const word = (text: string, startSecond: number, endSecond: number) => ({ text, startSecond, endSecond });
    const words = [
      word(' “Don’t', 0, 0.10049),
      word('pay', 0.10051, 0.1006),
      word('$3.50,', 0.1004, 0.3),
      word('50%)', 0.3, 0.5),
      word("rock'n'roll!", 0.5, 1),
    ];
    server.fake.answer = { segments: [{ ...fakeSegment('x', 0, 1), words }] };
    const body = await verbose(server, ['word']);
    server.fake.answer = undefined;
    expect(body.words).toEqual([
      { word: 'Don’t', start: 0, end: 0.1 },
      { word: 'pay', start: 0.101, end: 0.101 },
      { word: '$3.50', start: 0.101, end: 0.3 },
      { word: '50%', start: 0.3, end: 0.5 },
      { word: "rock'n'roll", start: 0.5, end: 1 },
    ]);
  });

  it('C08 word granularity with a model that has no word times: a clear refusal', async () => {
    const { can } = server.fake;
    server.fake.can = { ...can, words: false };
    const answer = await postForm(server.url, {
      fields: { response_format: 'verbose_json', 'timestamp_granularities[]': 'word' },
    });
    const srt = await postForm(server.url, { fields: { response_format: 'srt' } });
    server.fake.can = can;
    expect(srt.status).toBe(200);
    expect(server.fake.calls.at(-1)?.options.words).toBe(false);
    const expected = { status: 400, param: 'timestamp_granularities[]', code: 'unsupported_value' };
    expect(expectEnvelope(answer, expected)).toContain('no word times');
  });

  it('C09 segment granularity: segments, no words', async () => {
    const body = await verbose(server, ['segment']);
    expect(body.segments).toHaveLength(2);
    expect(body).not.toHaveProperty('words');
  });

  it('C10 both granularities, as parts and as a JSON array: both keys', async () => {
    for (const body of [
      await verbose(withWords, ['word', 'segment']),
      await verbose(withWords, ['["segment","word"]']),
    ]) {
      expect(Object.keys(body)).toEqual([
        'task',
        'language',
        'duration',
        'text',
        'segments',
        'words',
        'usage',
      ]);
      // Beside segments words keep their punctuation.
      expect((body.words as { word: string }[]).map(({ word }) => word)).toEqual(['Hello,', '--', 'there.']);
    }
  });

  it('C12 an unknown granularity', async () => {
    const answer = await postForm(server.url, {
      fields: { response_format: 'verbose_json', 'timestamp_granularities[]': 'sentence' },
    });
    expectEnvelope(answer, { status: 400, param: 'timestamp_granularities[]', code: 'invalid_value' });
  });

  it('C13 comma-joined granularities are one unknown value', async () => {
    const answer = await postForm(server.url, {
      fields: { response_format: 'verbose_json', 'timestamp_granularities[]': 'word,segment' },
    });
    expectEnvelope(answer, { status: 400, param: 'timestamp_granularities[]' });
  });

  it('C14 word granularity with json: 200 without words, and a warning', async () => {
    const answer = await postForm(server.url, { fields: { 'timestamp_granularities[]': 'word' } });
    expect(answer.status).toBe(200);
    expect(Object.keys(JSON.parse(answer.text))).toEqual(['text', 'usage']);
    expect(answer.headers.get('x-steno-warning')).toContain('verbose_json');
  });

  it('C15 segments: ten keys, ids from 0, ordered times, seek in units of 10 ms', async () => {
    server.fake.answer = {
      segments: [
        fakeSegment('One.', 0.0004, 1.23456),
        { ...fakeSegment('Two.', 27, 28), windowStartSecond: 27 },
      ],
      text: 'One. Two.',
      durationSecond: 28.0004,
    };
    const body = await verbose(server, ['segment']);
    server.fake.answer = undefined;
    const segments = body.segments as Record<string, unknown>[];
    for (const segment of segments) expect(Object.keys(segment)).toEqual(SEGMENT_KEYS);
    expect(segments.map(({ id, seek, start, end }) => ({ id, seek, start, end }))).toEqual([
      { id: 0, seek: 0, start: 0, end: 1.235 },
      { id: 1, seek: 2700, start: 27, end: 28 },
    ]);
    expect(segments[0]?.text).toBe(' One.');
    expect(body.usage).toEqual({ type: 'duration', seconds: 28 });
  });

  it('C15 no number of a segment becomes null', async () => {
    const odd = { avgLogprob: -Infinity, compressionRatio: Number.NaN, noSpeechProbability: Number.NaN };
    server.fake.answer = { segments: [{ ...fakeSegment('One.', 0, 1), ...odd }] };
    const body = await verbose(server, []);
    server.fake.answer = undefined;
    for (const value of Object.values((body.segments as object[])[0] ?? {})) expect(value).not.toBeNull();
  });

  it('C17 joined segment texts are the text', async () => {
    const body = await verbose(server, []);
    const segments = body.segments as { text: string }[];
    expect(segments.map(({ text }) => text.trim()).join(' ')).toBe(body.text);
  });

  it('C18 C19 silence in every format', async () => {
    server.fake.answer = { segments: [], text: '' };
    const bodies: Record<string, string> = {};
    for (const format of ['json', 'text', 'srt', 'vtt', 'verbose_json'])
      bodies[format] = (await postForm(server.url, { fields: { response_format: format } })).text;
    server.fake.answer = undefined;
    expect(bodies).toEqual({
      json: '{"text":"","usage":{"type":"duration","seconds":2}}',
      text: '\n',
      srt: '\n',
      vtt: 'WEBVTT\n\n',
      verbose_json:
        '{"task":"transcribe","language":"english","duration":2,"text":"","segments":[],"usage":{"type":"duration","seconds":2}}',
    });
  });

  it('subtitles: an arrow or line break in the text does not end the cue', async () => {
    server.fake.answer = { segments: [fakeSegment('a --> b\n\nc', 3599.9996, 3602)] };
    const srt = await postForm(server.url, { fields: { response_format: 'srt' } });
    server.fake.answer = undefined;
    expect(srt.text).toBe('1\n01:00:00,000 --> 01:00:02,000\na -> b c\n\n\n');
  });

  describe('long sentences', () => {
    const text =
      'When the rain had stopped at last, the children ran down to the river, and nobody thought of the school that waited for them.';

    it('C04 C05 C06 become cues of two lines of 42 characters and 7 s at most', async () => {
      server.fake.answer = { segments: [fakeSegment(text, 0, 10)], durationSecond: 10 };
      const srt = (await postForm(server.url, { fields: { response_format: 'srt' } })).text;
      const vtt = (await postForm(server.url, { fields: { response_format: 'vtt' } })).text;
      server.fake.answer = undefined;
      const cues = srt.slice(0, -1).split('\n\n').slice(0, -1);
      expect(cues.length).toBeGreaterThan(1);
      for (const [index, cue] of cues.entries()) {
        const [counter, times, ...lines] = cue.split('\n');
        expect(counter).toBe(String(index + 1));
        expect(times).toMatch(/^\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}$/);
        expect(lines.length).toBeLessThanOrEqual(2);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(42);
      }
      const texts = cues.map((cue) => cue.split('\n').slice(2).join(' '));
      expect(texts.join(' ')).toBe(text);
      const counters = cues.map((_, index) => `${index + 1}\n`).join('');
      expect(vtt.length).toBe(srt.length - counters.length - 1 + 8);
      expect(srt.endsWith('.\n\n\n')).toBe(true);
      expect(vtt.endsWith('.\n\n')).toBe(true);
    });

    it('the limits can be set, also so wide that a segment is one line as at OpenAI', async () => {
      server.fake.answer = { segments: [fakeSegment(text, 0, 10)], durationSecond: 10 };
      const wide = await postForm(server.url, {
        fields: {
          response_format: 'srt',
          max_line_width: '200',
          max_line_count: '1',
          max_cue_duration: '60',
        },
      });
      const narrow = await postForm(server.url, { fields: { response_format: 'srt', max_line_width: '20' } });
      server.fake.answer = undefined;
      expect(wide.text.split('\n').filter((line) => line.includes(' --> '))).toHaveLength(1);
      expect(
        Math.max(
          ...narrow.text
            .split('\n')
            .filter((line) => !line.includes('-->'))
            .map((line) => line.length),
        ),
      ).toBeLessThanOrEqual(20);
      for (const [name, value] of [
        ['max_line_width', '5'],
        ['max_line_width', 'wide'],
        ['max_line_count', '0'],
        ['max_line_count', '1.5'],
        ['max_cue_duration', '3600'],
      ] as const)
        expectEnvelope(await postForm(server.url, { fields: { response_format: 'vtt', [name]: value } }), {
          status: 400,
          param: name,
          code: 'invalid_value',
        });
      const json = await postForm(server.url, { fields: { max_line_width: '30' } });
      expect(json.headers.get('x-steno-warning')).toContain('max_line_width');
    });
  });

  it('C67 include[]=logprobs: token, logprob and bytes, that spell the text', async () => {
    for (const name of ['include[]', 'include', 'include[0]']) {
      const body = JSON.parse((await postForm(server.url, { fields: { [name]: 'logprobs' } })).text);
      expect(Object.keys(body)).toEqual(['text', 'logprobs', 'usage']);
      const logprobs = body.logprobs as { token: string; logprob: number; bytes: number[] }[];
      expect(logprobs.map(({ token }) => token).join('')).toBe(body.text);
      expect(Buffer.from(logprobs.flatMap(({ bytes }) => bytes)).toString()).toBe(body.text);
      for (const entry of logprobs) {
        expect(Object.keys(entry)).toEqual(['token', 'logprob', 'bytes']);
        expect(entry.logprob).toBeLessThanOrEqual(0);
      }
    }
    expect(server.fake.calls.at(-1)?.options).toMatchObject({ words: false, logprobs: true });
  });

  it('C67 log probabilities of a model that has none: a clear refusal; of another format: a warning', async () => {
    const { can } = server.fake;
    server.fake.can = { ...can, logprobs: false };
    const refused = await postForm(server.url, { fields: { 'include[]': 'logprobs' } });
    const text = await postForm(server.url, { fields: { 'include[]': 'logprobs', response_format: 'text' } });
    server.fake.can = can;
    expectEnvelope(refused, { status: 400, param: 'include[]', code: 'unsupported_value' });
    expect(text.status).toBe(200);
    expect(text.headers.get('x-steno-warning')).toContain('include=logprobs');
    const other = await postForm(server.url, { fields: { 'include[]': 'tokens' } });
    expectEnvelope(other, { status: 400, param: 'include[]', code: 'invalid_value' });
  });

  it('C81 usage.seconds is rounded up', async () => {
    const seconds = async (length: number) => {
      const answer = await postForm(server.url, { file: filePart(fakeRecording(length)) });
      return (JSON.parse(answer.text) as { usage: { seconds: number } }).usage.seconds;
    };
    expect(await seconds(1.7)).toBe(2);
    expect(await seconds(8.47)).toBe(9);
    expect(await seconds(2)).toBe(2);
  });

  it('warnings of the transcriber appear in the header, and in verbose_json', async () => {
    server.fake.answer = { warnings: ['The prompt has no effect – sorry.'] };
    const body = await postForm(server.url, { fields: { response_format: 'verbose_json' } });
    const plain = await postForm(server.url);
    server.fake.answer = undefined;
    expect(JSON.parse(body.text)).toMatchObject({ warnings: ['The prompt has no effect – sorry.'] });
    expect(body.headers.get('x-steno-warning')).toBe('The prompt has no effect ? sorry.');
    expect(plain.headers.get('x-steno-warning')).toBe('The prompt has no effect ? sorry.');
    expect(JSON.parse(plain.text)).not.toHaveProperty('warnings');
  });
});
