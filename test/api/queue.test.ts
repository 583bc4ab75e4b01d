import { afterEach, describe, expect, it } from 'vitest';
import {
  BOUNDARY,
  encodeForm,
  expectEnvelope,
  fakeRecording,
  filePart,
  postForm,
  RawConnection,
} from '../support/multipart.ts';
import { startTestServer, type TestServer, type TestServerOptions } from '../support/test-server.ts';

let server: TestServer;

async function start(config: TestServerOptions['config'] = {}) {
  server = await startTestServer({ config });
  return server;
}

afterEach(() => server.close());

describe('admission', () => {
  it('C77 a full queue answers 503 with Retry-After, and exactly the limit is let in', async () => {
    const { url, fake } = await start({ maxQueue: 3 });
    const release = fake.hold();
    const accepted = Array.from({ length: 3 }, () => postForm(url));
    await fake.begun(3);
    const refused = await Promise.all(Array.from({ length: 10 }, () => postForm(url)));
    for (const answer of refused) {
      expectEnvelope(answer, { status: 503, code: 'queue_full' });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60);
      expect(Number(answer.headers.get('retry-after-ms'))).toBeGreaterThan(0);
    }
    release();
    for (const answer of await Promise.all(accepted)) expect(answer.status).toBe(200);
    expect((await postForm(url)).status).toBe(200);
    expect(fake.calls).toHaveLength(4);
  });

  it('C80 concurrent uploads are all answered, without cross-talk', async () => {
    const { url } = await start();
    const recordings = Array.from({ length: 10 }, (_, seed) => fakeRecording(1 + seed / 10, seed));
    const alone: string[] = [];
    for (const recording of recordings) alone.push((await postForm(url, { file: filePart(recording) })).text);
    const together = await Promise.all(
      recordings.map((recording) => postForm(url, { file: filePart(recording) })),
    );
    expect(together.map(({ text }) => text)).toEqual(alone);
    expect(new Set(alone).size).toBe(10);
  });

  it('a place is free again after every kind of refusal', async () => {
    const { url, services } = await start({ maxQueue: 1 });
    for (const request of [
      { file: null },
      { fields: { temperature: '9' } },
      { fields: { model: 'nope' } },
      {},
    ]) {
      await postForm(url, request);
      await expect.poll(() => services.admission.size).toBe(0);
    }
  });
});

describe('a client that leaves', () => {
  it('stops the work, frees the place and removes the file', async () => {
    const { url, fake, services, scratchFiles } = await start();
    fake.hold();
    const controller = new AbortController();
    const request = fetch(`${url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: encodeForm([filePart(fakeRecording())]),
      signal: controller.signal,
    });
    await fake.begun(1);
    expect(services.admission.size).toBe(1);
    controller.abort();
    await expect(request).rejects.toThrow();
    await fake.ended(1);
    expect(fake.calls[0]?.stopped).toBe(true);
    await expect.poll(() => services.admission.size).toBe(0);
    await expect.poll(() => scratchFiles()).toEqual([]);
  });

  it('is no reason to stop others on kept-alive connections', async () => {
    const { url, fake } = await start();
    for (let index = 0; index < 5; index += 1) expect((await postForm(url)).status).toBe(200);
    expect(fake.calls.every(({ options }) => options.signal?.aborted === false)).toBe(true);
  });
});

describe('shutting down', () => {
  it('finishes running requests, refuses new ones, and readyz says why', async () => {
    const { url, port, fake } = await start();
    const release = fake.hold();
    const running = postForm(url);
    await fake.begun(1);
    // Opened before: a server that drains still answers on its connections.
    const waiting = new RawConnection(port);
    const closed = server.close();
    await waiting.head('GET /readyz', []).until((received) => received.includes('draining'));
    const answer = await waiting.response();
    expectEnvelope(answer, { status: 503, code: 'not_ready' });
    expect(JSON.parse(answer.body)).toMatchObject({ reason: 'draining' });
    const refused = await postForm(url);
    expectEnvelope(refused, { status: 503, code: 'shutting_down' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    release();
    expect((await running).status).toBe(200);
    waiting.close();
    await closed;
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it('cuts what is left when the grace time is over', async () => {
    const { url, fake } = await start({ graceSeconds: 0 });
    fake.hold();
    const running = postForm(url).catch((error: unknown) => error);
    await fake.begun(1);
    await server.close();
    expect(await running).toBeInstanceOf(Error);
    expect(fake.calls[0]?.stopped).toBe(true);
  });
});
