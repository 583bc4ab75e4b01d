import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectEnvelope } from '../support/multipart.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const HOUR = 3600;
/** To the spring, so that a clock which is set forward passes the change of the hour too. */
const JUMPS = {
  'an hour on': HOUR,
  'an hour back': -HOUR,
  'ten hours on': 10 * HOUR,
  'half a year back': -183 * 24 * HOUR,
};
const TAKE_SECONDS = 2;
const WAIT_SECONDS = 1;

let folder: string;
let clockFile: string;
let server: StubServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'steno-clock-'));
  clockFile = join(folder, 'offset');
  writeFileSync(clockFile, '0');
  server = await startStubServer({
    settings: {
      STUB_CLOCK_FILE: clockFile,
      NODE_OPTIONS: `--import ${new URL('./support/shifting-clock.mjs', import.meta.url).href}`,
      TZ: 'Europe/Berlin',
      STENO_MAX_QUEUE_SECONDS: String(WAIT_SECONDS),
      STUB_TAKE_MS: String(TAKE_SECONDS * 1000),
    },
  });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const secondsSince = (startMs: number): number => (performance.now() - startMs) / 1000;

describe('R26 a wall clock that jumps under the whole server (E19)', () => {
  it.each(Object.entries(JUMPS))('%s: nothing ends early, nothing gets stuck', async (_name, jump) => {
    const { detected } = await server.tasks();
    const startMs = performance.now();
    const running = server
      .post(scripted(['take', 1]))
      .then((answer) => ({ answer, at: secondsSince(startMs) }));
    await expect
      .poll(server.tasks, { interval: 10 })
      .toMatchObject({ running: 1, waiting: 0, detected: detected + 1 });
    const lateMs = performance.now();
    const late = server.post(scripted('answer')).then((answer) => ({ answer, at: secondsSince(lateMs) }));
    writeFileSync(clockFile, String(jump));
    const refused = await late;
    expectEnvelope(refused.answer, { status: 503, code: 'queue_timeout' });
    expect(refused.at).toBeGreaterThan(WAIT_SECONDS * 0.9);
    const done = await running;
    expect(done.answer.status).toBe(200);
    expect(done.at).toBeGreaterThan(TAKE_SECONDS * 0.9);
    const next = await server.post(scripted('answer'));
    expect(next.status).toBe(200);
    expect(next.headers.get('x-steno-timing') ?? next.headers.get('server-timing')).not.toMatch(/dur=-/);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    writeFileSync(clockFile, '0');
  });

  it('no log line and no row of usage tells a negative time', async () => {
    expect(server.log()).not.toMatch(/"[a-zA-Z]*(?:Ms|Second|Seconds|second|ms)":-/);
    const usage = await (
      await fetch(`${server.url}/v1/usage?start_date=2000-01-01&end_date=2100-01-01`)
    ).text();
    expect(usage).not.toMatch(/:-\d/);
    const figures = await (await fetch(`${server.url}/metrics`)).text();
    expect(figures).not.toMatch(/_seconds_(?:sum|count|total)\S* -/);
  });
});
