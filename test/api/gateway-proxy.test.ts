import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts';
import { type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts';
import { startGateway, wavRecording } from '../support/gateway.ts';
import { expectEnvelope, filePart, postForm } from '../support/multipart.ts';
import type { TestServer } from '../support/test-server.ts';

/** A name that no resolver has: who reaches it goes through the proxy. */
const HOST = 'upstream.test';

let fake: FakeUpstream;
let proxy: ConnectProxy;
let server: TestServer | undefined;
let port: string;

beforeEach(async () => {
  fake = await startFakeUpstream();
  proxy = await startConnectProxy();
  port = new URL(fake.baseUrl).port;
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  // Idle connections through the proxy end with the server too.
  await expect.poll(() => fake.connections).toBe(0);
  await proxy.close();
  await fake.close();
});

async function start(environment: Readonly<Record<string, string>>, host = HOST): Promise<void> {
  server = await startGateway({
    upstreams: {
      hosted: { baseUrl: `http://${host}:${port}/v1`, apiKeyEnv: 'KEY', connectSeconds: 3, retries: 0 },
    },
    routes: { remote: ['hosted/there'] },
    environment: { KEY: 'sk-upstream', ...environment },
  });
}

function ask() {
  return postForm(server?.url ?? '', {
    fields: { model: 'remote' },
    file: filePart(wavRecording(2)),
  });
}

describe('an upstream behind a proxy', () => {
  it('is reached through a tunnel, in which nothing is changed', async () => {
    await start({ HTTP_PROXY: proxy.url });
    for (let time = 0; time < 2; time += 1) {
      const answer = await ask();
      expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { text: 'hello from upstream' }]);
    }
    // The connection is kept for the second request.
    expect(proxy.asked).toEqual([`${HOST}:${port}`]);
    expect(fake.requests.map(({ path }) => path)).toEqual(Array(2).fill('/v1/audio/transcriptions'));
    expect(fake.requests[0]?.headers).toMatchObject({
      host: `${HOST}:${port}`,
      authorization: 'Bearer sk-upstream',
    });
  });

  it('is asked for directly where NO_PROXY names it, where it is this machine, or the proxy is for https', async () => {
    await start({ http_proxy: proxy.url, no_proxy: `other.test,.${HOST}` });
    expectEnvelope(await ask(), { status: 503, code: 'upstream_unavailable' });
    await server?.close();
    await start({ HTTPS_PROXY: proxy.url });
    expectEnvelope(await ask(), { status: 503, code: 'upstream_unavailable' });
    await server?.close();
    await start({ ALL_PROXY: proxy.url }, '127.0.0.1');
    expect((await ask()).status).toBe(200);
    expect(proxy.asked).toEqual([]);
  });

  it('cannot be reached when the proxy refuses or is away, and does not answer in time when it is silent', async () => {
    await start({ ALL_PROXY: proxy.url });
    proxy.behaviour = 'refuse';
    expectEnvelope(await ask(), { status: 503, code: 'upstream_unavailable' });
    proxy.behaviour = 'silence';
    expectEnvelope(await ask(), { status: 504, code: 'upstream_timeout' });
    expect(proxy.asked).toHaveLength(2);
    await proxy.close();
    expectEnvelope(await ask(), { status: 503, code: 'upstream_unavailable' });
    proxy = await startConnectProxy();
  });

  it('stops the start when the proxy is none, without showing it', async () => {
    for (const HTTP_PROXY of ['user:secret@proxy.test', 'socks5://user:secret@proxy.test']) {
      const refused = start({ HTTP_PROXY });
      await expect(refused).rejects.toMatchObject({ code: 'invalid_config' });
      await expect(refused).rejects.toThrow(/HTTP_PROXY.*http:\/\//);
      await expect(refused).rejects.not.toThrow(/secret/);
    }
  });
});
