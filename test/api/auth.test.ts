import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { buildApp } from '../../src/http/app.ts';
import { maskKey } from '../../src/http/hooks/auth.ts';
import { expectEnvelope, postForm, RawConnection } from '../support/multipart.ts';
import { startTestServer, TEST_KEY, type TestServer } from '../support/test-server.ts';

let guarded: TestServer;
let open: TestServer;
let log = '';

beforeAll(async () => {
  guarded = await startTestServer({
    config: { apiKeys: [TEST_KEY, 'another-key'] },
    log: (line) => {
      log += line;
    },
  });
  open = await startTestServer();
});

afterAll(async () => {
  await guarded.close();
  await open.close();
});

function withKey(header: Record<string, string>) {
  return postForm(guarded.url, { headers: header });
}

describe('API keys', () => {
  it('C45 no Authorization', async () => {
    for (const headers of [
      {},
      { authorization: 'Bearer ' },
      { authorization: 'Basic dTpw' },
      { authorization: TEST_KEY },
    ] as const) {
      const answer = await withKey(headers);
      expectEnvelope(answer, { status: 401, code: 'missing_api_key', param: null });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
    }
  });

  it('C46 a wrong key, masked in the message', async () => {
    const wrong = 'sk-wrong-abcdefghijklmnop';
    const message = expectEnvelope(await withKey({ authorization: `Bearer ${wrong}` }), {
      status: 401,
      code: 'invalid_api_key',
    });
    expect(message).toContain(maskKey(wrong));
    expect(message).not.toContain(wrong);
    expect(message).not.toContain('abcdefgh');
  });

  it('C46 a short wrong key is not shown at all', async () => {
    const message = expectEnvelope(await withKey({ authorization: 'Bearer hunter2' }), { status: 401 });
    expect(message).not.toContain('hunter2');
  });

  it('a right key, as every client spells it', async () => {
    expect((await withKey({ authorization: `Bearer ${TEST_KEY}` })).status).toBe(200);
    expect((await withKey({ 'api-key': 'another-key' })).status).toBe(200);
  });

  it('C47 a lower-case scheme', async () => {
    expect((await withKey({ authorization: `bearer ${TEST_KEY}` })).status).toBe(200);
    expect((await withKey({ authorization: `BEARER   ${TEST_KEY}` })).status).toBe(200);
  });

  it('C48 a server without keys takes any header', async () => {
    for (const headers of [
      {},
      { authorization: 'Bearer ' },
      { authorization: 'Bearer x' },
      { 'api-key': 'x' },
    ] as const)
      expect((await postForm(open.url, { headers })).status).toBe(200);
  });

  it('the transcriber learns whose request it is, without the key', async () => {
    for (const key of [TEST_KEY, TEST_KEY, 'another-key']) await withKey({ authorization: `Bearer ${key}` });
    const [first, second, third] = guarded.fake.calls.slice(-3).map(({ options }) => options.key);
    expect(first).toMatch(/^key_[0-9a-f]{12}$/);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it('C45 an unauthorized upload is refused before its body is asked for', async () => {
    const connection = new RawConnection(guarded.port).post([
      'Content-Type: multipart/form-data; boundary=x',
      'Content-Length: 100000000',
      'Expect: 100-continue',
    ]);
    const answer = await connection.response();
    expectEnvelope(answer, { status: 401 });
    expect(answer.raw).not.toContain('100 Continue');
    connection.close();
  });

  it('every route but the listed ones needs a key', async () => {
    const app = await buildApp(guarded.services);
    const routes = app.printRoutes({ commonPrefix: false }).match(/\/\S*/g) ?? [];
    const published = Object.keys(
      ((await (await fetch(`${guarded.url}/openapi.json`)).json()) as { paths: object }).paths,
    );
    await app.close();
    const openPaths = /^\/(?:health|healthz|readyz|openapi\.json|docs(?:\/.*)?)?$/;
    const paths = [...new Set([...routes, ...published])].map((path) => path.replace(/[:{]\w+\}?|\*/g, 'x'));
    expect(paths).toContain('/v1/audio/transcriptions');
    for (const path of paths)
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']) {
        const { status } = await fetch(`${guarded.url}${path}`, { method });
        if (openPaths.test(path)) expect({ method, path, status }).not.toMatchObject({ status: 401 });
        else expect({ method, path, status }).toEqual({ method, path, status: 401 });
      }
  });

  it('keys never reach the log', () => {
    expect(log).toContain('"route":"/v1/audio/transcriptions"');
    expect(log).toMatch(/"caller":"key_[0-9a-f]{12}"/);
    expect(log).not.toContain(TEST_KEY);
    expect(log).not.toContain('another-key');
    expect(log).not.toContain('This is recording');
  });
});

describe('listening', () => {
  it('without keys only on loopback, unless told otherwise', async () => {
    await expect(startTestServer({ config: { host: '0.0.0.0' } })).rejects.toThrow(ConfigError);
    const allowed = await startTestServer({ config: { host: '0.0.0.0', allowNoKeys: true } });
    expect((await postForm(allowed.url)).status).toBe(200);
    await allowed.close();
    const withKeys = await startTestServer({ config: { host: '0.0.0.0', apiKeys: [TEST_KEY] } });
    await withKeys.close();
  });
});
