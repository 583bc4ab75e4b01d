import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createStoredKey } from '../../src/store/api-key.ts';
import { openDataStore } from '../../src/store/sqlite/open-store.ts';
import {
  BOUNDARY,
  encodeForm,
  expectEnvelope,
  fakeRecording,
  filePart,
  postForm,
} from '../support/multipart.ts';
import { startTestServer, TEST_KEY, type TestServer } from '../support/test-server.ts';

/** Samples of the text format by name and labels. */
async function scrape(server: TestServer, key?: string): Promise<ReadonlyMap<string, number>> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(`${server.url}/metrics`, { headers });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

describe('GET /metrics', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ config: { maxQueue: 2, quotaSecondsPerDay: 1000 } });
  });

  afterAll(() => server.close());

  it('counts requests, audio seconds, rejections and stages', async () => {
    for (const seconds of [2, 1.5]) await postForm(server.url, { file: filePart(fakeRecording(seconds)) });
    await postForm(server.url, { fields: { temperature: '9' } });
    await postForm(server.url, { fields: { model: 'nope' } });
    const figures = await scrape(server);
    const route = '/v1/audio/transcriptions';
    expect(figures.get(`steno_http_requests_total{method="POST",route="${route}",status="200"}`)).toBe(2);
    expect(figures.get(`steno_http_requests_total{method="POST",route="${route}",status="400"}`)).toBe(1);
    expect(figures.get(`steno_http_requests_total{method="POST",route="${route}",status="404"}`)).toBe(1);
    expect(figures.get(`steno_http_request_duration_seconds_count{route="${route}"}`)).toBe(4);
    expect(figures.get('steno_audio_seconds_total{model="moonshine-tiny",outcome="completed"}')).toBe(3.5);
    expect(figures.get('steno_rejected_total{code="invalid_value"}')).toBe(1);
    expect(figures.get('steno_rejected_total{code="model_not_found"}')).toBe(1);
    expect(figures.get('steno_upload_bytes_total')).toBeGreaterThan(3.5 * 32_000);
    expect(figures.get('steno_uploads_in_progress')).toBe(0);
    for (const stage of ['decode', 'detect', 'queue', 'encode', 'text'])
      expect(figures.get(`steno_stage_duration_seconds_count{stage="${stage}"}`)).toBe(2);
    expect(figures.get('steno_stage_duration_seconds_count{stage="upload"}')).toBe(4);
  });

  it('shows what is going on now, and what was cancelled', async () => {
    const release = server.fake.hold();
    const controller = new AbortController();
    const heard = server.fake.heard(server.fake.calls.length + 1);
    const running = fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: encodeForm([filePart(fakeRecording(10))]),
      signal: controller.signal,
    }).catch(() => undefined);
    await heard;
    expect((await scrape(server)).get('steno_requests_inside')).toBe(1);
    controller.abort();
    await running;
    await expect.poll(async () => (await scrape(server)).get('steno_jobs_cancelled_total')).toBe(1);
    release();
    await expect.poll(async () => (await scrape(server)).get('steno_requests_inside')).toBe(0);
    const figures = await scrape(server);
    expect(figures.get('steno_audio_seconds_total{model="moonshine-tiny",outcome="stopped"}')).toBe(5);
    expect(figures.get('steno_ready')).toBe(1);
    expect(figures.get('steno_process_rss_bytes{process="server"}')).toBeGreaterThan(10_000_000);
  });

  it('T20 10,000 requests of random models, paths and methods make no new series', async () => {
    const burst = async (count: number): Promise<string[]> => {
      for (let done = 0; done < count; done += 20)
        await Promise.all(
          Array.from({ length: 20 }, (_, index) => {
            const random = Math.random().toString(36).slice(2);
            if (index % 4 === 0)
              return postForm(server.url, { fields: { model: random }, file: filePart(Buffer.alloc(32)) });
            const method = ['GET', 'PROPFIND', 'REPORT'][index % 3] ?? 'GET';
            return fetch(`${server.url}/v1/${random}`, { method }).then((answer) => answer.text());
          }),
        );
      // Node's own figures get a series for each kind of garbage collection and handle when it first occurs.
      return [...(await scrape(server)).keys()].filter((name) => !name.startsWith('steno_nodejs_'));
    };
    await burst(20);
    const before = await burst(20);
    const after = await burst(9960);
    expect(after).toEqual(before);
    expect(after.filter((name) => !name.includes('_bucket')).length).toBeLessThan(200);
  });
});

describe('who may read them', () => {
  let server: TestServer;

  afterEach(() => server.close());

  it('admins only, everybody, or nobody', async () => {
    const status = async (key?: string) =>
      (
        await fetch(
          `${server.url}/metrics`,
          key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } },
        )
      ).status;
    server = await startTestServer({ store: 'file', config: { apiKeys: [TEST_KEY] } });
    const data = await openDataStore(server.config.dataDir);
    const { key } = createStoredKey({ name: '', scope: 'admin' }, data);
    data.store.close();
    expect([await status(), await status(TEST_KEY), await status(key)]).toEqual([401, 403, 200]);
    await server.close();
    server = await startTestServer({ config: { apiKeys: [TEST_KEY], metrics: 'open' } });
    expect([await status(), await status(TEST_KEY)]).toEqual([200, 200]);
    await server.close();
    server = await startTestServer({ config: { apiKeys: [TEST_KEY], metrics: 'off' } });
    expect([await status(), await status(TEST_KEY)]).toEqual([401, 404]);
  });
});

describe('where the time went', () => {
  it('stands in the answer’s headers and in the log, with neither text nor names', async () => {
    const lines: Record<string, unknown>[] = [];
    const server = await startTestServer({ log: (line) => lines.push(JSON.parse(line)) });
    const answer = await postForm(server.url, {
      file: filePart(fakeRecording(), 'secret meeting.wav'),
      fields: { prompt: 'a secret prompt' },
    });
    const shape =
      /^upload;dur=\d+(\.\d)?, decode;dur=1, detect;dur=1, queue;dur=1, encode;dur=1, text;dur=1$/;
    expect(answer.headers.get('server-timing')).toMatch(shape);
    expect(answer.headers.get('x-steno-timing')).toBe(answer.headers.get('server-timing'));
    expectEnvelope(await postForm(server.url, { file: filePart(Buffer.alloc(8), 'secret.wav') }), {
      status: 400,
    });
    await expect.poll(() => lines.filter(({ msg }) => msg === 'request').length).toBe(2);
    const [line] = lines.filter(({ msg }) => msg === 'request');
    expect(line).toMatchObject({
      requestId: answer.headers.get('x-request-id'),
      route: '/v1/audio/transcriptions',
      status: 200,
      timings: { upload: expect.any(Number), decode: 1, detect: 1, queue: 1, encode: 1, text: 1 },
    });
    expect(JSON.stringify(lines)).not.toMatch(/secret|This is recording/);
    await server.close();
  });
});
