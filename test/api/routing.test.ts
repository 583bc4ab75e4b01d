import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectEnvelope, postForm, RawConnection } from '../support/multipart.ts';
import { startTestServer, TEST_KEY, type TestServer } from '../support/test-server.ts';

let server: TestServer;
let guarded: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  guarded = await startTestServer({ config: { apiKeys: [TEST_KEY] } });
});

afterAll(async () => {
  await server.close();
  await guarded.close();
});

async function get(path: string, init: RequestInit = {}) {
  const response = await fetch(`${server.url}${path}`, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** What fetch normalises or forbids goes over a raw socket. */
async function rawGet(target: string, headers: readonly string[], port = server.port, method = 'GET') {
  const connection = new RawConnection(port);
  connection.write(`${method} ${target} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
  const answer = await connection.response();
  connection.close();
  return answer;
}

describe('paths and methods', () => {
  it('C49 GET on the transcription route', async () => {
    const answer = await get('/v1/audio/transcriptions');
    const message = expectEnvelope(answer, { status: 405, code: 'method_not_allowed' });
    expect(message).toContain('GET /v1/audio/transcriptions');
    expect(answer.headers.get('allow')).toContain('POST');
  });

  it('C49 other methods on other routes', async () => {
    for (const [method, path] of [
      ['PUT', '/v1/models/whisper-1'],
      ['DELETE', '/v1/models'],
      ['PUT', '/v1/models/pull'],
      ['POST', '/v1/models'],
      ['PUT', '/healthz'],
    ] as const)
      expectEnvelope(await get(path, { method }), { status: 405 });
  });

  it('C50 an unknown path, its query not repeated', async () => {
    const answer = await get('/v1/audio/nothing?key=secret', { method: 'POST', body: 'x' });
    expect(expectEnvelope(answer, { status: 404, code: 'unknown_url' })).not.toContain('secret');
  });

  it('C51 trailing and double slashes, no /v1, Azure’s path', async () => {
    for (const path of [
      '/v1/audio/transcriptions/',
      '/v1//audio/transcriptions',
      '//v1/audio/transcriptions',
      '/audio/transcriptions',
      '/audio/transcriptions/',
      '/openai/v1/audio/transcriptions',
      '/openai/deployments/whisper-1/audio/transcriptions?api-version=2024-06-01',
    ])
      expect({ path, status: (await postForm(server.url, { path })).status }).toEqual({ path, status: 200 });
  });

  it('Azure’s deployment is the model, unless a field names another', async () => {
    const path = '/openai/deployments/moonshine-tiny/audio/transcriptions';
    await postForm(server.url, { path });
    expect(server.fake.calls.at(-1)?.options.model).toBe('moonshine-tiny');
    const unknown = await postForm(server.url, { path: path.replace('moonshine-tiny', 'nope') });
    expectEnvelope(unknown, { status: 404, code: 'model_not_found' });
  });

  it('a URL that cannot be decoded', async () => {
    expectEnvelope(await rawGet('/v1/models/%ZZ', ['Host: localhost']), {
      status: 400,
      code: 'invalid_request',
    });
  });

  it('an expectation nobody knows is passed over', async () => {
    expect((await rawGet('/healthz', ['Host: localhost', 'Expect: miracles'])).status).toBe(200);
  });

  it('headers over 16 KiB, and bytes that are no HTTP', async () => {
    expectEnvelope(await rawGet('/', ['Host: localhost', `X-Long: ${'a'.repeat(20_000)}`]), { status: 431 });
    const connection = new RawConnection(server.port).write('\x16\x03\x01nonsense\r\n\r\n');
    expectEnvelope(await connection.response(), { status: 400 });
    connection.close();
  });
});

describe('models', () => {
  it('C74 the list holds ids and aliases', async () => {
    const body = JSON.parse((await get('/v1/models')).text);
    expect(Object.keys(body)).toEqual(['object', 'data']);
    expect(body.object).toBe('list');
    for (const model of body.data) {
      // OpenAI's four first, in its order; what this server adds comes after.
      expect(Object.keys(model).slice(0, 5)).toEqual(['id', 'object', 'created', 'owned_by', 'state']);
      expect(model).toMatchObject({ object: 'model', owned_by: expect.any(String) });
      expect(Number.isInteger(model.created)).toBe(true);
    }
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual([
      'moonshine-tiny',
      'acme/tiny-speech',
      'whisper-1',
    ]);
    expect((await get('/models')).text).toBe((await get('/v1/models/')).text);
  });

  it('C75 one model; ids with a slash, raw and encoded', async () => {
    for (const path of [
      '/v1/models/whisper-1',
      '/v1/models/acme/tiny-speech',
      '/v1/models/acme%2Ftiny-speech',
      '/models/whisper-1',
    ])
      expect(JSON.parse((await get(path)).text)).toMatchObject({
        object: 'model',
        id: expect.stringMatching(/whisper-1|acme\/tiny-speech/),
      });
  });

  it('C75 an unknown model', async () => {
    expectEnvelope(await get('/v1/models/nope'), { status: 404, code: 'model_not_found', param: 'model' });
    expectEnvelope(await get('/v1/models/__proto__'), { status: 404, code: 'model_not_found' });
  });
});

describe('HEAD', () => {
  it('is answered like GET without the body; on the transcription route it is a wrong method', async () => {
    for (const path of ['/v1/models', '/v1/models/whisper-1', '/openapi.json']) {
      const head = await get(path, { method: 'HEAD' });
      const { headers, text } = await get(path);
      expect({ path, status: head.status, text: head.text }).toEqual({ path, status: 200, text: '' });
      expect(head.headers.get('content-type')).toBe(headers.get('content-type'));
      expect(Number(head.headers.get('content-length'))).toBe(Buffer.byteLength(text));
    }
    const audio = await get('/v1/audio/transcriptions', { method: 'HEAD' });
    expect(audio.status).toBe(405);
    expect(audio.headers.get('allow')).toContain('POST');
  });
});

describe('probes', () => {
  it('answer without a key, to GET and HEAD', async () => {
    for (const path of ['/', '/health', '/healthz', '/readyz'])
      for (const method of ['GET', 'HEAD'])
        expect((await fetch(`${guarded.url}${path}`, { method })).status).toBe(200);
  });

  it('readyz tells which formats can be read', async () => {
    expect(JSON.parse((await get('/readyz')).text)).toEqual({ status: 'ready', formats: { all: true } });
  });
});

describe('every response', () => {
  it('C78 carries a request id of its own', async () => {
    const paths = [
      '/',
      '/healthz',
      '/v1/models',
      '/v1/models/nope',
      '/nothing',
      '/v1/audio/transcriptions',
      '/docs',
      '/openapi.json',
    ];
    const ids = new Set<string>();
    for (const path of [...paths, ...paths]) {
      const { headers } = await get(path, { headers: { 'x-request-id': 'mine' } });
      expect(headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      ids.add(headers.get('x-request-id') ?? '');
    }
    expect(ids.size).toBe(paths.length * 2);
  });
});

describe('web pages', () => {
  const preflight = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type,x-stainless-arch,x-stainless-retry-count',
  };

  it('C79 preflight of the browser SDK, any origin when keys are configured', async () => {
    const response = await fetch(`${guarded.url}/v1/audio/transcriptions`, {
      method: 'OPTIONS',
      headers: { ...preflight, origin: 'https://app.example' },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(response.headers.get('access-control-allow-methods')).toContain('POST');
    expect(response.headers.get('access-control-allow-headers')).toContain('x-stainless-retry-count');
    expect(response.headers.get('access-control-allow-credentials')).toBeNull();
  });

  it('C79 preflight from localhost, and one without an origin, when no key is configured', async () => {
    const local = await get('/v1/audio/transcriptions', {
      method: 'OPTIONS',
      headers: { ...preflight, origin: 'http://localhost:3000' },
    });
    expect(local.status).toBe(204);
    expect(local.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
    const bare = await get('/v1/audio/transcriptions', { method: 'OPTIONS' });
    expect(bare.status).toBe(204);
    expect(bare.headers.get('access-control-allow-headers')).toContain('x-stainless-');
  });

  it('answers can be read by the allowed page, request id included', async () => {
    const answer = await postForm(server.url, { headers: { origin: 'http://127.0.0.1:5173' } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe('http://127.0.0.1:5173');
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id');
    const refused = await fetch(`${guarded.url}/v1/models`, { headers: { origin: 'https://app.example' } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe('https://app.example');
  });

  it('a foreign page cannot use a server without keys', async () => {
    for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example']) {
      const answer = await postForm(server.url, { headers: { origin } });
      expectEnvelope(answer, { status: 403, code: 'forbidden_origin' });
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  it('a name that only resolves to loopback is refused without keys', async () => {
    for (const host of ['evil.example', 'evil.example:8080', '127.0.0.1.evil.example', '10.0.0.1'])
      expectEnvelope(await rawGet('/v1/models', [`Host: ${host}`]), { status: 403, code: 'forbidden_host' });
    for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:8080', '[::1]:8080'])
      expect((await rawGet('/v1/models', [`Host: ${host}`])).status).toBe(200);
    const guardedAnswer = await rawGet('/healthz', ['Host: speech.example'], guarded.port);
    expect(guardedAnswer.status).toBe(200);
  });
});
