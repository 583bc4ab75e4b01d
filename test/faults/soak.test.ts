import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildCli, type RunningCli, startCli, temporaryFolder } from '../support/run-cli.ts';
import { isNightly } from '../support/tier.ts';
import { type MixedLoad, prepareRecordings, startMixedLoad } from './support/mixed-load.ts';
import { hasProcessTable } from './support/process-table.ts';
import { listScratch } from './support/running-server.ts';
import { type Slope, slopeOf } from './support/slope.ts';
import type { SoakSample } from './support/soak-judge.ts';

/** The whole soak has 60 minutes (SOAK_MINUTES=60), of which the first 10 do not count. SOAK_SAMPLES names a file for all samples. */
const MINUTES = Number(process.env.SOAK_MINUTES ?? 5);
const WARM_UP_MINUTES = Math.min(10, MINUTES * 0.4);
const REST_EACH_MS = 10_000;
/**
 * A model's memory comes and goes by tens of MiB with what it was given, so that a short soak can show only steep growth: what counts is
 * what the growth is at least, with 95 % confidence.
 */
const MOST_MIB_A_MINUTE = 2;
const SEED = 20_261_125;

const folder = temporaryFolder();
let server: RunningCli;
let url: string;
let judge: ChildProcess;
let load: MixedLoad;
const samples: SoakSample[] = [];

beforeAll(async () => {
  if (!isNightly) return;
  buildCli();
  const environment = {
    STENO_METRICS: 'open',
    STENO_DATA_DIR: join(folder.path, 'data'),
    STENO_LOG_LEVEL: 'warn',
  };
  server = startCli(['serve', '--port', '0'], { environment });
  [, url = ''] = await server.stderrHas(/listens on (\S+)/);
  await vi.waitFor(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), 60_000);
  judge = startJudge();
  load = startMixedLoad(Number(new URL(url).port), await prepareRecordings(folder.path), {
    clients: 4,
    seed: SEED,
  });
});

afterAll(async () => {
  judge?.kill();
  server?.child.kill('SIGKILL');
  await server?.ended;
  folder.remove();
});

/** Its samples are taken where neither the server nor the clients can be in the way. */
function startJudge(): ChildProcess {
  const script = fileURLToPath(new URL('./support/soak-judge.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, String(server.child.pid), url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => {
    const lines = (text + bytes.toString()).split('\n');
    text = lines.pop() ?? '';
    samples.push(...lines.map((line) => JSON.parse(line) as SoakSample));
  });
  return child;
}

/** What the judge sees while nobody wants anything: what is at work then comes and goes, and would hide what stays. */
async function sampleAtRest(): Promise<SoakSample> {
  await load.pause();
  const from = samples.length + 1;
  const atRest = (): SoakSample | undefined =>
    samples.slice(from).findLast(({ requestsInside }) => requestsInside === 0);
  await expect.poll(atRest, { timeout: 30_000 }).toBeDefined();
  load.resume();
  return atRest() as SoakSample;
}

/** Rests of so many minutes of load, one each ten seconds. */
async function loadFor(minutes: number): Promise<SoakSample[]> {
  const rests: SoakSample[] = [];
  const endMs = performance.now() + minutes * 60_000;
  while (performance.now() < endMs) {
    await sleep(REST_EACH_MS);
    rests.push(await sampleAtRest());
  }
  return rests;
}

describe.skipIf(!isNightly || !hasProcessTable)(
  `R23 ${MINUTES} minutes of mixed load (E24), seed ${SEED}`,
  () => {
    it('leave memory, open files, processes and the disk as they were', {
      timeout: (MINUTES * 2 + 3) * 60_000,
    }, async () => {
      await loadFor(WARM_UP_MINUTES);
      const rests = await loadFor(MINUTES - WARM_UP_MINUTES);
      await load.stop();
      await expect.poll(() => samples.at(-1)?.requestsInside, { timeout: 30_000 }).toBe(0);
      const [first, last] = [rests.at(0), samples.at(-1)] as [SoakSample, SoakSample];
      if (process.env.SOAK_SAMPLES !== undefined)
        writeFileSync(process.env.SOAK_SAMPLES, JSON.stringify({ rests, samples }));

      const slopes = {
        server: slopeOf(rests.map(({ second, serverMiB }) => [second / 60, serverMiB])),
        group: slopeOf(rests.map(({ second, groupMiB }) => [second / 60, groupMiB])),
      };
      console.log(`R23: ${JSON.stringify(Object.fromEntries(load.tally))}`);
      console.log(
        `R23: server ${first.serverMiB.toFixed(0)} -> ${last.serverMiB.toFixed(0)} MiB, ${show(slopes.server)}; ` +
          `all processes ${first.groupMiB.toFixed(0)} -> ${last.groupMiB.toFixed(0)} MiB, ${show(slopes.group)}; ` +
          `open files ${first.openFiles} -> ${last.openFiles}`,
      );
      expect(slopes.server.atLeast).toBeLessThan(MOST_MIB_A_MINUTE);
      expect(slopes.group.atLeast).toBeLessThan(MOST_MIB_A_MINUTE);
      expect(Math.abs(last.openFiles - first.openFiles)).toBeLessThanOrEqual(5);
      // One a core, and the express one while there is long work.
      expect(last.inferenceIds.length).toBeLessThanOrEqual(availableParallelism() + 1);
      expect(last.inferenceRestarts).toBe(0);
      expect(lastingZombies()).toEqual([]);
      expect(listScratch(join(folder.path, 'data'))).toEqual([]);
      expect(server.child.exitCode).toBeNull();
    });
  },
);

function show({ middle, atLeast }: Slope): string {
  return `${middle.toFixed(2)} MiB/min (at least ${atLeast.toFixed(2)})`;
}

/** A process that has ended is asked after at once; one that is found in three looks was forgotten. */
function lastingZombies(): number[] {
  const looks = samples.map(({ zombies }) => zombies);
  return looks.flatMap((zombies, index) =>
    zombies.filter((pid) => looks[index + 1]?.includes(pid) && looks[index + 2]?.includes(pid)),
  );
}
