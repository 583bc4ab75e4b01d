import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  convertWithFfmpeg,
  type FixtureContainer,
  fixturePath,
  randomNumbers,
} from '../support/audio-fixtures.ts';
import { expectEnvelope } from '../support/multipart.ts';
import { mutate } from '../support/mutate.ts';
import { expectNothingInside } from '../support/nothing-inside.ts';
import { byTier } from '../support/tier.ts';
import { hasProcessTable, residentMiB } from './support/process-table.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const SEED = Number(process.env.FUZZ_SEED ?? 20_261_124);
const FORMATS: readonly FixtureContainer[] = [
  'flac',
  'mp3',
  'mpga',
  'mpeg',
  'mp4',
  'm4a',
  'ogg',
  'wav',
  'webm',
];
const MUTANTS_A_FORMAT = byTier({ fast: 112, nightly: 1112 });
/** What damaged media may be answered; 503 only when it says that the queue is full. */
const STATUSES = [200, 400, 415];
const SLOWEST_MS = 30_000;

let server: StubServer;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'steno-fuzz-'));
  server = await startStubServer({ settings: { STUB_BATCH: '8', STENO_MAX_AUDIO_SECONDS: '60' } });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

describe(`R6 damaged media over HTTP (E1, E2), seed ${SEED}`, () => {
  let baselineMiB = 0;
  const tally = new Map<number, number>();

  beforeAll(async () => {
    for (let warmUp = 0; warmUp < 20; warmUp += 1) await server.post(scripted('answer'));
    await server.collectGarbage();
    baselineMiB = hasProcessTable ? residentMiB(server.pid) : 0;
  });

  it.each(FORMATS)(
    `${MUTANTS_A_FORMAT} mutants of %s are answered with a transcript or a clean error`,
    { timeout: 1_200_000 },
    async (format) => {
      const path = join(folder, `seed.${format}`);
      // Without the random numbers that Ogg and WebM streams have: the same seed is to make the same mutants.
      await convertWithFfmpeg(fixturePath('jfk.wav'), format, path, ['-t', '2', '-fflags', '+bitexact']);
      const original = readFileSync(path);
      const random = randomNumbers(SEED + FORMATS.indexOf(format));
      const mutants = Array.from({ length: MUTANTS_A_FORMAT }, () => mutate(original, random)).entries();
      // Three clients share one iterator: while one's file is uploaded, another's is decoded.
      const client = async (): Promise<void> => {
        for (const [index, mutant] of mutants) {
          const name = `mutant ${index} of ${format}, seed ${SEED}`;
          const startMs = performance.now();
          const answer = await server.post(mutant);
          expect(performance.now() - startMs, name).toBeLessThan(SLOWEST_MS);
          expect(STATUSES, `${name}: ${answer.text}`).toContain(answer.status);
          tally.set(answer.status, (tally.get(answer.status) ?? 0) + 1);
          if (answer.status !== 200) {
            expectEnvelope(answer, { status: answer.status });
            expectNothingInside(answer.text, name);
          }
        }
      };
      await Promise.all([client(), client(), client()]);
    },
  );

  it('leaves the server as it was: alive, nothing on disk, no children more, its memory where it began', async () => {
    console.log(`R6: ${MUTANTS_A_FORMAT * FORMATS.length} mutants`, Object.fromEntries(tally));
    expect(tally.get(200) ?? 0).toBeGreaterThan(0);
    expect(tally.get(400) ?? 0).toBeGreaterThan(0);
    expect(server.child.exitCode).toBeNull();
    await expect.poll(server.scratch).toEqual([]);
    expect(server.ffmpegIds()).toEqual([]);
    expect(server.log()).not.toMatch(/unhandled|uncaught|an inference process ended/i);
    if (hasProcessTable) {
      await server.collectGarbage();
      const growthMiB = residentMiB(server.pid) - baselineMiB;
      console.log(`R6: the server grew by ${growthMiB.toFixed(0)} MiB`);
      expect(growthMiB).toBeLessThan(50);
    }
    expect((await server.post(scripted('answer'))).status).toBe(200);
  });
});
