import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { randomNumbers } from '../support/audio-fixtures.ts';
import { bestOf, timeMs } from '../support/best-of.ts';
import { expectEnvelope } from '../support/multipart.ts';
import { buildCli, startCli, temporaryFolder } from '../support/run-cli.ts';
import { byTier } from '../support/tier.ts';
import { descendantsOf, hasProcessTable, isAlive } from './support/process-table.ts';
import { listScratch, type StubServer, scripted, startStubServer } from './support/running-server.ts';

describe('R13 SIGTERM', () => {
  let server: StubServer | undefined;
  afterEach(() => server?.stop());

  it('the running request completes, five that wait get 503 with Retry-After, and then the exit code is 0', async () => {
    const drained = async (): Promise<number> => {
      await server?.stop();
      server = await startStubServer({ settings: { STENO_GRACE_SECONDS: '30', STUB_TAKE_MS: '6000' } });
      const { post, url, child, ended, scratch, tasks } = server;
      const running = post(scripted(['take', 1]));
      await expect.poll(tasks, { interval: 10 }).toEqual({ running: 1, waiting: 0, detected: 1 });
      const waiting = Array.from({ length: 5 }, () => post(scripted('answer')));
      await expect.poll(tasks, { interval: 10 }).toMatchObject({ running: 1, waiting: 5 });
      const ready = async (): Promise<number> => (await fetch(`${url}/readyz`)).status;
      expect(await ready()).toBe(200);
      const tookMs = await timeMs(async () => {
        child.kill('SIGTERM');
        await expect.poll(ready, { interval: 5 }).toBe(503);
      });
      for (const answer of await Promise.all(waiting)) {
        expectEnvelope(answer, { status: 503, code: 'shutting_down' });
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }
      expect((await running).status).toBe(200);
      expect(await ended).toBe(0);
      expect(scratch()).toEqual([]);
      return tookMs;
    };
    expect(await bestOf('R13: not ready after the signal, ms', 200, drained)).toBeLessThan(200);
  });
});

describe.skipIf(!hasProcessTable)('E18 SIGTERM while the server starts', () => {
  const folder = temporaryFolder();
  beforeAll(buildCli);
  afterAll(() => folder.remove());

  it('ends it at any moment: no child, no scratch folder, and the data folder starts the next one', async () => {
    const random = randomNumbers(18);
    const environment = { STENO_DATA_DIR: folder.path, STENO_ENGINE_PROCESSES: '2' };
    for (let round = 0; round < byTier({ fast: 4, nightly: 20 }); round += 1) {
      const { child, ended } = startCli(['serve', '--port', '0'], { environment });
      await new Promise((resolve) => setTimeout(resolve, random() * 1500));
      const children = descendantsOf(child.pid ?? 0).map(({ pid }) => pid);
      child.kill('SIGTERM');
      // Null: before anybody listened to the signal.
      expect([0, null]).toContain((await ended).code);
      await expect.poll(() => children.filter(isAlive)).toEqual([]);
    }
    const last = startCli(['serve', '--port', '0'], { environment });
    await last.stderrHas(/listens on/);
    expect(listScratch(folder.path)).toEqual([]);
    last.child.kill('SIGTERM');
    expect((await last.ended).code).toBe(0);
  });
});
