import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { randomNumbers } from '../support/audio-fixtures.ts';
import { expectEnvelope } from '../support/multipart.ts';
import { byTier, isNightly } from '../support/tier.ts';
import { recordingThatHangs, writeHangingFfmpeg } from './support/hanging-ffmpeg.ts';
import { isAlive } from './support/process-table.ts';
import {
  type StubServer,
  type StubServerOptions,
  scripted,
  startStubServer,
} from './support/running-server.ts';

let server: StubServer | undefined;
const folders: string[] = [];

async function start(settings: StubServerOptions['settings'] = {}): Promise<StubServer> {
  server = await startStubServer({ settings });
  return server;
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'steno-engine-'));
  folders.push(folder);
  return folder;
}

afterEach(async () => {
  await server?.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** How often an inference process ended, by the server's own log. */
function losses(log: string): number {
  return log.split('an inference process ended').length - 1;
}

/** One of a group may take the others with it. */
function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const VERBOSE = { fields: { response_format: 'verbose_json' } };

describe('R15 a poisonous recording', () => {
  it('is given up after exactly three starts, and others are answered meanwhile and afterwards', async () => {
    const { post, log, scratch } = await start({ STUB_BATCH: '4', STUB_ANSWER_MS: '300' });
    const others = [1, 2, 3].map(() => post(scripted('answer')));
    const poisoned = await post(scripted('crash'));
    expectEnvelope(poisoned, { status: 500, code: 'engine_crashed' });
    expect(poisoned.headers.get('x-should-retry')).toBe('false');
    await expect.poll(() => losses(log())).toBe(3);
    for (const answer of await Promise.all(others)) expect(answer.status).toBe(200);
    expect((await post(scripted('answer'))).status).toBe(200);
    expect(losses(log())).toBe(3);
    await expect.poll(scratch).toEqual([]);
  });
});

describe('completeness', () => {
  it.each(['crash', 'fail'] as const)(
    'a part on which the engine ends with "%s" is reported, never passed off as silence',
    async (script) => {
      const { post } = await start();
      const answer = await post(scripted('answer', script, ['answer', 2]), VERBOSE);
      expect(answer.status).toBe(200);
      const body = JSON.parse(answer.text) as Record<string, unknown>;
      expect(body.text).toBe('heard 1000. heard 1000.');
      expect(body.duration).toBe(9);
      // The stretch with 0.3 s around it, as the engine would have heard it.
      const warning =
        /The sound from 3\.2\d s to 4\.8\d s could not be transcribed: the speech engine failed on it\./;
      expect(answer.headers.get('x-steno-warning')).toMatch(warning);
      expect(body.warnings).toEqual([expect.stringMatching(warning)]);
      const { coverage } = body.x_steno as { coverage: Record<string, number> };
      const { transcribed = 0, silence = 0, failed = 0 } = coverage;
      expect(transcribed + silence + failed).toBeCloseTo(9, 3);
      expect(failed).toBeCloseTo(1.6, 1);
    },
  );

  it('a recording of which nothing could be transcribed is an error', async () => {
    const { post } = await start();
    expectEnvelope(await post(scripted('fail', 'fail')), { status: 500, code: 'internal_error' });
  });

  it('a recording that crashes the engine again and again is given up, whatever else is in it', async () => {
    const { post, log } = await start();
    const answer = await post(scripted('answer', 'crash', 'crash', 'crash', 'crash', 'crash'));
    expectEnvelope(answer, { status: 500, code: 'engine_crashed' });
    expect(losses(log())).toBeLessThanOrEqual(12);
  }, 60_000);
});

describe('R24 a dead inference process (E10)', () => {
  it('is replaced, and requests that ran in it are answered all the same', async () => {
    const { post, inferenceIds, log } = await start({ STUB_BATCH: '4', STENO_ENGINE_PROCESSES: '2' });
    const random = randomNumbers(7);
    for (let round = 0; round < byTier({ fast: 5, nightly: 50 }); round += 1) {
      const requests = Array.from({ length: 6 }, () => post(scripted(['take', 0.4])));
      await new Promise((resolve) => setTimeout(resolve, random() * 400));
      const [victim] = inferenceIds();
      if (victim === undefined) throw new Error('there is no inference process');
      process.kill(victim, 'SIGKILL');
      for (const answer of await Promise.all(requests)) {
        if (answer.status !== 200) expectEnvelope(answer, { status: 503 });
        expect([200, 503]).toContain(answer.status);
      }
      await expect.poll(() => losses(log())).toBe(round + 1);
      await expect.poll(() => inferenceIds().length).toBe(2);
      expect(inferenceIds()).not.toContain(victim);
    }
  }, 300_000);

  it('three times in a minute makes the server say that it is not ready', async () => {
    const { post, url } = await start();
    await post(scripted('crash'));
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain('engine');
  });
});

describe('E17 hangs', () => {
  it('an inference process that says nothing is killed at the limit, and others go on', async () => {
    const { post, inferenceIds } = await start({ STENO_ENGINE_TIMEOUT_SECONDS: '4' });
    const [before] = inferenceIds();
    const startMs = performance.now();
    const hanging = post(scripted('hang'));
    if (before !== undefined) await expect.poll(() => isAlive(before), { interval: 20 }).toBe(false);
    expectEnvelope(await hanging, { status: 500, code: 'engine_crashed' });
    // Three starts of four seconds each, and the new processes' own starts; by default it is a minute each.
    expect((performance.now() - startMs) / 1000).toBeLessThan(60);
    expect((await post(scripted('answer'))).status).toBe(200);
  });

  it('an ffmpeg that is killed from outside is an error with words, and leaves nothing', async () => {
    const folder = temporaryFolder();
    const { post, ffmpegIds, scratch } = await start({ STENO_FFMPEG: writeHangingFfmpeg(folder) });
    const answer = post(await recordingThatHangs(folder));
    await expect.poll(() => ffmpegIds().length, { interval: 10 }).toBeGreaterThan(0);
    for (const pid of ffmpegIds()) killIfAlive(pid);
    const message = expectEnvelope(await answer, { status: (await answer).status });
    expect((await answer).status).toBeLessThan(504);
    expect(message).not.toMatch(/SIGKILL|spawn|prlimit/);
    await expect.poll(scratch).toEqual([]);
    expect((await post(scripted('answer'))).status).toBe(200);
  });

  it.skipIf(!isNightly)('an ffmpeg that hangs and ignores SIGTERM is killed after 30 s', async () => {
    const folder = temporaryFolder();
    const { post, ffmpegIds, scratch } = await start({ STENO_FFMPEG: writeHangingFfmpeg(folder) });
    const startMs = performance.now();
    expectEnvelope(await post(await recordingThatHangs(folder)), { status: 400, code: 'timeout' });
    expect(Math.abs((performance.now() - startMs) / 1000 - 30)).toBeLessThan(1.5);
    expect(ffmpegIds()).toEqual([]);
    expect(scratch()).toEqual([]);
  });
});
