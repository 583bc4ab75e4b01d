import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTAINERS, convertWithFfmpeg, fixturePath } from '../support/audio-fixtures.ts';
import { recordingThatHangs, writeHangingFfmpeg } from './support/hanging-ffmpeg.ts';
import { isAlive } from './support/process-table.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const isRoot = process.getuid?.() === 0;
/** Not the default: other servers of this machine may use that one now. */
const FIRST_USER = 61_000;
const USER = { STENO_FFMPEG_FIRST_USER_ID: String(FIRST_USER) };

let folder: string;
let server: StubServer;
let hanging: Buffer;
let report: string;

beforeAll(async () => {
  if (!isRoot) return;
  folder = mkdtempSync(join(tmpdir(), 'steno-user-'));
  hanging = await recordingThatHangs(folder);
  // Tries what a decoder that was taken over would try: its own upload by name, and what others have open.
  report = join(folder, 'ffmpeg-report');
  writeFileSync(report, '');
  chmodSync(report, 0o666);
  const spy = `
  mine=$(readlink /proc/self/fd/3)
  for path in "$mine" "$(dirname "$mine")" "${dirname(folder)}"/steno-fault-*/pepper /proc/[0-9]*/fd/3; do
    case "$path" in /proc/$$/*|/proc/self/*) continue ;; esac
    if ls "$path" >/dev/null 2>&1 && head -c 1 "$path" >/dev/null 2>&1; then echo "read $path" >>${report}; fi
  done
  echo "looked from $$" >>${report}
  exec tail -f ${report}`;
  server = await startStubServer({
    settings: { ...USER, STENO_FFMPEG: writeHangingFfmpeg(folder, spy), STUB_BATCH: '8' },
  });
});
afterAll(async () => {
  if (!isRoot) return;
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** Real, effective, saved and file system user of a process. */
function usersOf(pid: number): number[] {
  const line = /^Uid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
  return line.split(/\s+/).map(Number);
}

/** The decoders that have looked around and hang now. */
function decoders(): number[] {
  return server
    .ffmpegIds()
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('tail'));
}

describe.skipIf(!isRoot)('T1 T2 a server that is root (needs root)', () => {
  it('decodes every format with decoders that are not', async () => {
    const path = (name: string): string => join(folder, name);
    for (const container of CONTAINERS) {
      await convertWithFfmpeg(fixturePath('jfk.wav'), container, path(`a.${container}`), ['-t', '1']);
      expect((await server.post(readFileSync(path(`a.${container}`)))).status, container).toBe(200);
    }
    // Without the upload's folder it would find the file by no other name.
    expect(server.log()).toMatch(/"guards":\[[^\]]*"users"/);
  });

  it('gives each its own user, who owns nothing but its recording', async () => {
    const leaving = new AbortController();
    const requests = [1, 2].map(() => postAndLeave(leaving.signal));
    await expect.poll(() => decoders().length).toBe(2);
    const users = decoders().map((pid) => usersOf(pid));
    for (const ids of users) expect(new Set(ids).size).toBe(1);
    const [one = 0, two = 0] = users.map(([id]) => id);
    expect([one, two].sort()).toEqual([FIRST_USER, FIRST_USER + 1]);
    for (const pid of decoders())
      expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Groups:\s*$/m);
    const uploads = server.scratch().filter((name) => name.endsWith('/upload'));
    const owners = uploads.map((name) => statSync(join(server.dataDir, 'scratch', name)));
    expect(owners.map(({ uid }) => uid).sort()).toEqual([FIRST_USER, FIRST_USER + 1]);
    for (const { mode } of owners) expect(mode & 0o077).toBe(0);
    await expect.poll(() => readFileSync(report, 'utf8').match(/looked/g)?.length).toBe(2);
    expect(readFileSync(report, 'utf8')).not.toContain('read');
    const ids = decoders();
    leaving.abort();
    await Promise.all(requests);
    await expect.poll(() => ids.some(isAlive), { timeout: 2000 }).toBe(false);
    await expect.poll(server.scratch).toEqual([]);
    expect((await server.post(scripted('answer'))).status).toBe(200);
  });

  it('ends its decoders with itself, also when it is killed', async () => {
    const mine = await startStubServer({ settings: { ...USER, STENO_FFMPEG: join(folder, 'ffmpeg') } });
    const leaving = new AbortController();
    const request = postAndLeave(leaving.signal, mine);
    await expect.poll(() => mine.ffmpegIds().length).toBeGreaterThan(0);
    const ids = mine.ffmpegIds();
    expect(usersOf(ids[0] ?? 0)[0]).toBeGreaterThanOrEqual(FIRST_USER);
    process.kill(mine.pid, 'SIGKILL');
    await expect.poll(() => ids.some(isAlive)).toBe(false);
    leaving.abort();
    await request;
    await mine.stop();
  });
});

async function postAndLeave(signal: AbortSignal, to = server): Promise<void> {
  const form = new FormData();
  form.set('file', new Blob([new Uint8Array(hanging)]), 'a.mp3');
  await fetch(`${to.url}/v1/audio/transcriptions`, { method: 'POST', body: form, signal }).catch(
    () => undefined,
  );
}
