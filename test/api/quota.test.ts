import OpenAI, { RateLimitError, toFile } from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { createStoredKey } from '../../src/store/api-key.ts';
import { openDataStore } from '../../src/store/sqlite/open-store.ts';
import type { KeyLimits } from '../../src/store/store.ts';
import { expectEnvelope, fakeRecording, filePart, postForm } from '../support/multipart.ts';
import {
  startTestServer,
  TEST_KEY,
  type TestServer,
  type TestServerOptions,
} from '../support/test-server.ts';

let server: TestServer;

afterEach(() => server.close());

async function start(config: TestServerOptions['config'], windowSeconds?: number): Promise<TestServer> {
  server = await startTestServer({
    store: 'file',
    config: { apiKeys: [TEST_KEY], maxQueue: 1000, ...config },
    ...(windowSeconds === undefined ? {} : { windowSeconds }),
  });
  return server;
}

async function makeKey(limits: KeyLimits): Promise<string> {
  const data = await openDataStore(server.config.dataDir);
  const { key } = createStoredKey({ name: '', scope: 'user', limits }, data);
  data.store.close();
  return key;
}

function post(seconds = 2, key = TEST_KEY, fields: Record<string, string> = {}) {
  return postForm(server.url, {
    headers: { authorization: `Bearer ${key}` },
    file: filePart(fakeRecording(seconds)),
    fields,
  });
}

describe('requests a minute', () => {
  it('C76 429 in the contract’s shape, and the trio on every answer', async () => {
    await start({ rateLimitPerMinute: 3 });
    for (const remaining of ['2', '1', '0']) {
      const { status, headers } = await post();
      expect(status).toBe(200);
      expect(headers.get('x-ratelimit-limit-requests')).toBe('3');
      expect(headers.get('x-ratelimit-remaining-requests')).toBe(remaining);
      expect(headers.get('x-ratelimit-reset-requests')).toMatch(/^(?:1m0s|\d+(?:\.\d+)?s)$/);
    }
    const refused = await post();
    expectEnvelope(refused, { status: 429, code: 'rate_limit_exceeded', param: null });
    expect(JSON.parse(refused.text).error.type).toBe('requests');
    const wait = Number(refused.headers.get('retry-after'));
    expect(Number.isInteger(wait) && wait >= 1 && wait <= 60).toBe(true);
    expect(Number(refused.headers.get('retry-after-ms'))).toBeGreaterThan(0);
    expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    expect(server.fake.calls).toHaveLength(3);
  });

  it('R10 of 100 at once exactly the limit pass, key by key', async () => {
    await start({});
    const [one, two] = [await makeKey({ requestsPerMinute: 10 }), await makeKey({ requestsPerMinute: 20 })];
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => post(1, index % 2 === 0 ? one : two)),
    );
    const passed = (parity: number) =>
      answers.filter(({ status }, index) => index % 2 === parity && status === 200).length;
    expect([passed(0), passed(1)]).toEqual([10, 20]);
    for (const { status } of answers) expect([200, 429]).toContain(status);
    expect((await post()).status).toBe(200);
  });

  it('C76 the openai package waits and succeeds', async () => {
    const windowSeconds = 4;
    await start({ rateLimitPerMinute: 2 }, windowSeconds);
    const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${server.url}/v1`, maxRetries: 2 });
    const file = await toFile(fakeRecording(), 'clip.wav');
    const startMs = performance.now();
    for (let index = 0; index < 3; index += 1) {
      const { text } = await client.audio.transcriptions.create({ file, model: 'whisper-1' });
      expect(text).toMatch(/^This is recording/);
    }
    // The third had to wait for the next window, which begins after this test's first request.
    expect((performance.now() - startMs) / 1000).toBeGreaterThan(windowSeconds - 0.1);
    const impatient = new OpenAI({ apiKey: TEST_KEY, baseURL: `${server.url}/v1`, maxRetries: 0 });
    const ask = () => impatient.audio.transcriptions.create({ file, model: 'whisper-1' });
    const refusal = await Promise.all(Array.from({ length: 5 }, ask)).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RateLimitError);
    expect(refusal).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'requests' });
  });

  it('other routes are not counted, and without a limit nothing is said', async () => {
    await start({ rateLimitPerMinute: 1 });
    const headers = { authorization: `Bearer ${TEST_KEY}` };
    for (let index = 0; index < 3; index += 1)
      expect((await fetch(`${server.url}/v1/models`, { headers })).status).toBe(200);
    expect((await post()).status).toBe(200);
    const free = await makeKey({ requestsPerMinute: 0 });
    const answer = await post(1, free);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-ratelimit-limit-requests')).toBeNull();
  });

  it('applies to everybody together on a server without keys', async () => {
    await start({ apiKeys: [], rateLimitPerMinute: 1 });
    expect((await postForm(server.url)).status).toBe(200);
    expect((await postForm(server.url)).status).toBe(429);
  });
});

describe('audio seconds a day', () => {
  it('R10 N pass and N + 1 is refused: 10 s are five clips of 2 s', async () => {
    await start({ quotaSecondsPerDay: 10 });
    for (let index = 0; index < 5; index += 1) expect((await post(2)).status).toBe(200);
    const refused = await post(2);
    const message = expectEnvelope(refused, { status: 429, code: 'insufficient_quota' });
    expect(JSON.parse(refused.text).error.type).toBe('insufficient_quota');
    expect(message).toMatch(/10 seconds of audio a day: 10 s are used/);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(refused.headers.get('retry-after')).toBeNull();
    expect(server.fake.calls).toHaveLength(5);
  });

  it('R10 100 at once never exceed it: what is held counts before any engine works', async () => {
    await start({ quotaSecondsPerDay: 31 });
    const release = server.fake.hold();
    let refused = 0;
    const running = Array.from({ length: 100 }, async () => {
      const answer = await post(2);
      if (answer.status === 429) refused += 1;
      return answer;
    });
    await expect.poll(() => refused).toBe(85);
    expect(server.services.admission.size).toBe(15);
    release();
    const answers = await Promise.all(running);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(15);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(85);
    expect((await post(1)).status).toBe(200);
    expect((await post(1)).status).toBe(429);
  });

  it('survives a restart', async () => {
    await start({ quotaSecondsPerDay: 5 });
    expect((await post(4)).status).toBe(200);
    const again = await startTestServer({
      store: 'file',
      config: { apiKeys: [TEST_KEY], quotaSecondsPerDay: 5, dataDir: server.config.dataDir },
    });
    const file = filePart(fakeRecording(2));
    const headers = { authorization: `Bearer ${TEST_KEY}` };
    expect((await postForm(again.url, { headers, file })).status).toBe(429);
    expect((await postForm(again.url, { headers, file: filePart(fakeRecording(1)) })).status).toBe(200);
    await again.close();
  });

  it('a month apart from a day, and a key’s own before that of all', async () => {
    await start({ quotaSecondsPerDay: 1 });
    const own = await makeKey({ audioSecondsPerDay: 0, audioSecondsPerMonth: 3 });
    expect((await post(3, own)).status).toBe(200);
    expect(expectEnvelope(await post(1, own), { status: 429 })).toContain('3 seconds of audio a month');
    expect((await post(2)).status).toBe(429);
  });

  it('is no reason for the openai package to try again', async () => {
    await start({ quotaSecondsPerDay: 1 });
    const client = new OpenAI({ apiKey: TEST_KEY, baseURL: `${server.url}/v1`, maxRetries: 2 });
    const file = await toFile(fakeRecording(2), 'clip.wav');
    await expect(client.audio.transcriptions.create({ file, model: 'whisper-1' })).rejects.toMatchObject({
      status: 429,
      code: 'insufficient_quota',
    });
    expect(server.fake.calls).toHaveLength(1);
  });

  it('ends a stream with the same error', async () => {
    await start({ quotaSecondsPerDay: 1 });
    const answer = await post(2, TEST_KEY, { stream: 'true' });
    expectEnvelope(answer, { status: 429, code: 'insufficient_quota' });
  });
});
