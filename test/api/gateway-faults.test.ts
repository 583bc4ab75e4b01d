import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  answer,
  closedBaseUrl,
  dripForEver,
  dropReused,
  endlessBody,
  type FakeUpstream,
  hangBeforeHeaders,
  hangInBody,
  json,
  resetInBody,
  startFakeUpstream,
} from '../support/fake-upstream.ts';
import { type GatewayOptions, startGateway, wavRecording } from '../support/gateway.ts';
import { type Answer, expectEnvelope, filePart, postForm } from '../support/multipart.ts';
import type { TestServer } from '../support/test-server.ts';

const KEY = 'sk-upstream-secret-key';

let fake: FakeUpstream;
let server: TestServer;
let logs: string[];

beforeEach(async () => {
  fake = await startFakeUpstream();
  logs = [];
});

/** After every case: nothing of the request is left, and the key was told to nobody but the upstream. */
afterEach(async () => {
  await expect.poll(() => server.scratchFiles()).toEqual([]);
  await expect.poll(() => server.services.gateway.upstreams.map(({ running }) => running)).toEqual([0]);
  const metrics = await server.services.metrics.render();
  expect(logs.join('\n') + metrics).not.toContain(KEY);
  await server.close();
  await expect.poll(() => fake.connections).toBe(0);
  await fake.close();
});

async function start(upstream: GatewayOptions['upstreams'][string] = {}, targets = ['hosted/there']) {
  server = await startGateway({
    upstreams: {
      hosted: { baseUrl: fake.baseUrl, apiKeyEnv: 'HOSTED_KEY', timeoutSeconds: 30, ...upstream },
    },
    routes: { remote: targets },
    environment: { HOSTED_KEY: KEY },
    log: (line) => logs.push(line),
  });
}

function ask(fields: Record<string, string> = {}): Promise<Answer> {
  return postForm(server.url, { fields: { model: 'remote', ...fields }, file: filePart(wavRecording(2)) });
}

function expectNoSecrets({ text, headers }: Answer): void {
  const all = text + JSON.stringify([...headers]);
  expect(all).not.toContain(KEY);
  expect(all).not.toContain(new URL(fake.baseUrl).host);
}

async function metric(name: string): Promise<string[]> {
  const text = await server.services.metrics.render();
  return text.split('\n').filter((line) => line.startsWith(name));
}

describe('an upstream that misbehaves', () => {
  it('refuses connections: tried three times, then 503 with Retry-After', async () => {
    await start({ baseUrl: await closedBaseUrl() });
    const refused = await ask();
    const message = expectEnvelope(refused, { status: 503, code: 'upstream_unavailable' });
    expect(message).toContain('hosted/there cannot be reached');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expectNoSecrets(refused);
    expect(await metric('steno_upstream_requests_total')).toEqual([
      'steno_upstream_requests_total{upstream="hosted",outcome="unreachable"} 3',
    ]);
    expect(await metric('steno_upstream_retries_total')).toEqual([
      'steno_upstream_retries_total{upstream="hosted"} 2',
    ]);
  });

  it('accepts and hangs before the headers: 504 when its time is over, asked once', async () => {
    await start({ timeoutSeconds: 0.5 });
    fake.always(hangBeforeHeaders);
    const startMs = performance.now();
    expectEnvelope(await ask(), { status: 504, code: 'upstream_timeout' });
    // Not the 30 s that other tests here have.
    expect(performance.now() - startMs).toBeLessThan(15_000);
    expect(fake.requests).toHaveLength(1);
    await expect.poll(() => fake.abandoned).toBe(1);
  });

  it('hangs midway in the body: cut after the idle time and asked again', async () => {
    await start({ idleSeconds: 2 });
    fake.next(hangInBody);
    const { status, text } = await ask();
    expect({ status, text }).toEqual({ status: 200, text: '{"text":"hello from upstream"}' });
    expect(fake.requests).toHaveLength(2);
    expect(fake.abandoned).toBe(1);
  });

  it('resets midway in the body: asked again, nothing of the half answer is seen', async () => {
    await start();
    fake.next(resetInBody);
    expect(await ask()).toMatchObject({ status: 200, text: '{"text":"hello from upstream"}' });
    expect(fake.requests).toHaveLength(2);
  });

  it('500 twice, then good', async () => {
    await start();
    fake.next(answer(500, {}, 'oops'), answer(500, {}, 'oops'));
    expect(await ask()).toMatchObject({ status: 200 });
    expect(fake.requests).toHaveLength(3);
    const [first, , third] = fake.requests;
    const file = ({ parts }: (typeof fake.requests)[number]) =>
      parts.find(({ name }) => name === 'file')?.body;
    expect(first && file(first)?.equals(wavRecording(2))).toBe(true);
    expect(third && file(third)?.equals(wavRecording(2))).toBe(true);
  });

  it('500 for ever: 502 after three attempts, and the upstream’s words stay there', async () => {
    await start();
    fake.always(answer(500, { 'content-type': 'text/plain' }, 'stack trace at 10.0.0.7'));
    const failed = await ask();
    expectEnvelope(failed, { status: 502, code: 'upstream_error' });
    expect(failed.text).not.toContain('10.0.0.7');
    expect(fake.requests).toHaveLength(3);
  });

  it('says itself that another attempt is no use: none is made, and the client hears it', async () => {
    await start();
    fake.always(answer(500, { 'x-should-retry': 'false' }, ''));
    const failed = await ask();
    expectEnvelope(failed, { status: 502, code: 'upstream_error' });
    expect(failed.headers.get('x-should-retry')).toBe('false');
    expect(failed.headers.get('retry-after')).toBeNull();
    expect(fake.requests).toHaveLength(1);
  });

  it('429 with Retry-After: waited for; a wait that is too long is told to the client', async () => {
    await start();
    fake.next(answer(429, { 'retry-after-ms': '300' }, '{}'));
    const startMs = performance.now();
    expect(await ask()).toMatchObject({ status: 200 });
    expect(performance.now() - startMs).toBeGreaterThan(290);
    fake.always(answer(429, { 'retry-after': '3600' }, '{}'));
    const limited = await ask();
    expectEnvelope(limited, { status: 429, code: 'upstream_limit' });
    expect(limited.headers.get('retry-after')).toBe('60');
    expect(fake.requests).toHaveLength(3);
  });

  it('401: our fault, not the client’s; not tried again; a line in the log', async () => {
    await start();
    const body = {
      error: {
        message: `Incorrect API key provided: ${KEY}`,
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_api_key',
      },
    };
    fake.always(answer(401, { 'content-type': 'application/json' }, JSON.stringify(body)));
    const failed = await ask();
    const message = expectEnvelope(failed, { status: 502, code: 'upstream_misconfigured' });
    expect(message).not.toMatch(/key/i);
    expect(failed.headers.get('x-should-retry')).toBe('false');
    expect(failed.headers.get('www-authenticate')).toBeNull();
    expect(fake.requests).toHaveLength(1);
    const line = logs.map((text) => JSON.parse(text)).find(({ outcome }) => outcome === 'misconfigured');
    expect(line).toMatchObject({
      target: 'hosted/there',
      status: 401,
      attempt: 1,
      requestId: failed.headers.get('x-request-id'),
    });
  });

  it('an account without money: ours as well', async () => {
    await start();
    const body = {
      error: {
        message: 'You exceeded your quota',
        type: 'insufficient_quota',
        param: null,
        code: 'insufficient_quota',
      },
    };
    fake.always(answer(429, { 'content-type': 'application/json' }, JSON.stringify(body)));
    expectEnvelope(await ask(), { status: 502, code: 'upstream_misconfigured' });
    expect(fake.requests).toHaveLength(1);
  });

  it('an HTML page with status 200, and JSON that is none: 502, tried again first', async () => {
    await start({ breakerMinimumCalls: 100 });
    fake.always(answer(200, { 'content-type': 'text/html' }, '<html>Sign in</html>'));
    expectEnvelope(await ask(), { status: 502, code: 'upstream_error' });
    expectEnvelope(await ask({ response_format: 'srt' }), { status: 502, code: 'upstream_error' });
    fake.always(answer(200, { 'content-type': 'application/json' }, '{"text":'));
    expectEnvelope(await ask(), { status: 502, code: 'upstream_error' });
    fake.always(json({ error: { message: 'it failed' } }));
    expectEnvelope(await ask(), { status: 502, code: 'upstream_error' });
  });

  it('good JSON of a wrong type is passed on as JSON, byte by byte', async () => {
    await start();
    fake.always(answer(200, { 'content-type': 'text/plain' }, '{ "text" : "odd" }'));
    const { text, headers } = await ask();
    expect({ text, type: headers.get('content-type') }).toEqual({
      text: '{ "text" : "odd" }',
      type: 'application/json',
    });
  });

  it('redirects: not followed, the key stays here', async () => {
    await start();
    const elsewhere = await startFakeUpstream();
    fake.always(answer(307, { location: `${elsewhere.baseUrl}/audio/transcriptions` }, ''));
    expectEnvelope(await ask(), { status: 502, code: 'upstream_misconfigured' });
    expect(elsewhere.requests).toHaveLength(0);
    expect(fake.requests).toHaveLength(1);
    await elsewhere.close();
  });

  it('a slow drip: ended when its time is over', async () => {
    await start({ timeoutSeconds: 1, idleSeconds: 0.5 });
    fake.always(dripForEver);
    expectEnvelope(await ask(), { status: 504, code: 'upstream_timeout' });
    await expect.poll(() => fake.abandoned).toBe(1);
  });

  it('a body without end: given up at 32 MiB', async () => {
    await start({ retries: 0 });
    fake.always(endlessBody);
    expectEnvelope(await ask(), { status: 502, code: 'upstream_error' });
    await expect.poll(() => fake.abandoned).toBe(1);
  });

  it('closes keep-alive connections between requests: nobody notices', async () => {
    await start();
    fake.always(dropReused(json({ text: 'fine' })));
    for (let index = 0; index < 4; index += 1)
      expect(await ask()).toMatchObject({ status: 200, text: '{"text":"fine"}' });
    expect(fake.requests.length).toBeGreaterThan(4);
  });

  it('sends a compressed answer although it was asked not to: refused unread', async () => {
    await start({ retries: 0 });
    fake.always(answer(200, { 'content-type': 'application/json', 'content-encoding': 'br' }, 'xx'));
    expectEnvelope(await ask(), { status: 502, code: 'upstream_error' });
    expect(fake.requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('answers before it has read the upload', async () => {
    const hasty = createServer((_request, response) =>
      response.writeHead(413, { connection: 'close' }).end('{}'),
    );
    await new Promise<void>((resolve) => hasty.listen(0, '127.0.0.1', resolve));
    await start({ baseUrl: `http://127.0.0.1:${(hasty.address() as AddressInfo).port}/v1` });
    const file = filePart(wavRecording(300));
    const refused = await postForm(server.url, { fields: { model: 'remote' }, file });
    const message = expectEnvelope(refused, { status: 413, code: 'file_too_large' });
    expect(message).toContain('hosted/there takes no recording of this size');
    hasty.close();
  });
});

describe('what the upstream finds wrong', () => {
  it.each([
    [
      'OpenAI',
      JSON.stringify({
        error: { message: 'Bad language', type: 'invalid_request_error', param: 'language', code: 'bad' },
      }),
      'Bad language',
      'language',
    ],
    [
      'FastAPI',
      JSON.stringify({
        detail: [{ loc: ['body', 'language'], msg: 'Input should be a string', input: 'secret text' }],
      }),
      'language: Input should be a string',
      null,
    ],
    ['a plain detail', JSON.stringify({ detail: 'Unsupported' }), 'Unsupported', null],
    ['an error as text', JSON.stringify({ error: 'no such voice' }), 'no such voice', null],
    ['HTML', '<html>422</html>', 'refused the request with status 422', null],
  ])('comes in our shape of errors, from %s', async (_name, body, words, param) => {
    await start();
    fake.always(
      answer(422, { 'content-type': body.startsWith('<') ? 'text/html' : 'application/json' }, body),
    );
    const refused = await ask();
    expect(expectEnvelope(refused, { status: 422, param })).toContain(words);
    expect(refused.headers.get('x-steno-served-by')).toBe('hosted/there');
    expect(refused.text).not.toContain('secret text');
    expect(fake.requests).toHaveLength(1);
  });
});

describe('the circuit breaker', () => {
  it('opens after failures, spares the upstream, lets one request try, and closes when it succeeds', async () => {
    await start({ retries: 0, breakerMinimumCalls: 3, breakerOpenSeconds: 3 });
    fake.always(answer(500, {}, ''));
    for (let index = 0; index < 3; index += 1) expect((await ask()).status).toBe(502);
    const spared = await ask();
    expectEnvelope(spared, { status: 503, code: 'upstream_unavailable' });
    expect(Number(spared.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(fake.requests).toHaveLength(3);
    expect(await metric('steno_upstream_breaker_state{upstream="hosted",state="open"}')).toEqual([
      'steno_upstream_breaker_state{upstream="hosted",state="open"} 1',
    ]);
    fake.always(json({ text: 'back' }));
    await expect.poll(async () => (await ask()).status, { interval: 100 }).toBe(200);
    expect(await metric('steno_upstream_breaker_state{upstream="hosted",state="closed"}')).toEqual([
      'steno_upstream_breaker_state{upstream="hosted",state="closed"} 1',
    ]);
  });

  it('stays open when the trial fails, and does not judge what clients do wrong', async () => {
    await start({ retries: 0, breakerMinimumCalls: 2, breakerOpenSeconds: 2 });
    fake.always(answer(400, {}, '{}'));
    for (let index = 0; index < 4; index += 1) expect((await ask()).status).toBe(400);
    fake.always(answer(500, {}, ''));
    await expect.poll(async () => (await ask()).status, { interval: 10 }).toBe(503);
    const before = fake.requests.length;
    await expect.poll(async () => (await ask()).status, { interval: 50 }).toBe(502);
    expect(fake.requests).toHaveLength(before + 1);
    expect((await ask()).status).toBe(503);
  });
});
