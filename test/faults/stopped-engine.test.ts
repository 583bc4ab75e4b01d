import { afterEach, describe, expect, it } from 'vitest';
import { byTier } from '../support/tier.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const SECONDS = byTier({ fast: 2, nightly: 20 });

let server: StubServer;
afterEach(() => server.stop());

describe.skipIf(process.platform === 'win32')('E20 an inference process that gets no processor', () => {
  it(`for ${SECONDS} s: the server is live, and the request is answered when it goes on`, async () => {
    server = await startStubServer({ settings: { STUB_TAKE_MS: '1000' } });
    const { post, url, tasks, inferenceIds, log } = server;
    const [pid = 0] = inferenceIds();
    const running = post(scripted(['take', 1]));
    await expect.poll(tasks).toMatchObject({ running: 1, detected: 1 });
    process.kill(pid, 'SIGSTOP');
    try {
      const endMs = performance.now() + SECONDS * 1000;
      while (performance.now() < endMs) {
        expect((await fetch(`${url}/healthz`)).status).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(await tasks()).toMatchObject({ running: 1 });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect((await running).status).toBe(200);
    expect(inferenceIds()).toEqual([pid]);
    expect(log()).not.toContain('an inference process ended');
  });
});
