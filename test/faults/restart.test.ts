import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { randomNumbers } from '../support/audio-fixtures.ts';
import { byTier } from '../support/tier.ts';
import { recordingThatHangs, writeHangingFfmpeg } from './support/hanging-ffmpeg.ts';
import { descendantsOf, hasProcessTable, isAlive } from './support/process-table.ts';
import { listScratch, type StubServer, scripted, startStubServer } from './support/running-server.ts';

let folder: string;
let server: StubServer;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steno-restart-'));
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<StubServer> {
  server = await startStubServer({
    dataDir: join(folder, 'data'),
    settings: { STENO_FFMPEG: writeHangingFfmpeg(folder) },
  });
  return server;
}

describe.skipIf(!hasProcessTable)('kill -9 of the server (E11)', () => {
  it('leaves no child, and the next start sweeps what lay on the disk', async () => {
    const random = randomNumbers(11);
    const hanging = await recordingThatHangs(folder);
    for (let round = 0; round < byTier({ fast: 5, nightly: 20 }); round += 1) {
      const { pid, post, ended, ffmpegIds, dataDir } = await start();
      const requests = [post(hanging), post(scripted(['take', 20])), post(scripted('answer'))].map(
        (request) => request.catch((error: unknown) => error),
      );
      await expect.poll(() => ffmpegIds().length, { interval: 10 }).toBeGreaterThan(0);
      await new Promise((resolve) => setTimeout(resolve, random() * 200));
      const children = descendantsOf(pid).map((row) => row.pid);
      expect(children.length).toBeGreaterThanOrEqual(2);
      process.kill(pid, 'SIGKILL');
      await ended;
      await Promise.all(requests);
      await expect.poll(() => children.filter(isAlive), { interval: 20 }).toEqual([]);
      expect(listScratch(dataDir).length).toBeGreaterThan(0);
    }
    const { dataDir, post, scratch } = await start();
    await expect.poll(scratch, { timeout: 10_000 }).toEqual([]);
    expect((await post(scripted('answer'))).status).toBe(200);
    expect(existsSync(join(dataDir, 'scratch'))).toBe(true);
  }, 300_000);
});
