import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertWithFfmpeg, fixturePath } from '../support/audio-fixtures.ts';
import { playLists, referringMovie, signedPlayLists } from './support/play-lists.ts';
import { isAlive } from './support/process-table.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

/** Whether this machine lets one process be watched by another. */
const canTrace = (() => {
  try {
    execFileSync('strace', ['-f', '-qq', '-e', 'trace=openat', '-o', '/dev/null', 'true'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
})();

/** Code, libraries and devices: nothing of it is anybody's recording. */
const OF_THE_SYSTEM =
  /^\/(?:usr|lib|lib64|bin|sbin|proc|sys|nix\/store)\/|^\/(?:etc\/(?:ld\.so\.|gcrypt\/|ssl\/openssl\.cnf|localtime))|^\/dev\/(?:null|urandom|shm)|^\/$/;

let server: StubServer;
let folder: string;
let canary: string;
let listener: Server;
let address: string;
let called = 0;

beforeAll(async () => {
  if (!canTrace) return;
  folder = mkdtempSync(join(tmpdir(), 'steno-trace-'));
  canary = join(folder, 'canary.mp3');
  await convertWithFfmpeg(fixturePath('jfk.wav'), 'mp3', canary);
  listener = createServer((socket) => {
    called += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const bound = listener.address();
  address = `127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
  server = await startStubServer();
});
afterAll(async () => {
  if (!canTrace) return;
  await server.stop();
  listener.close();
  rmSync(folder, { recursive: true });
});

interface Trace {
  readonly opened: readonly string[];
  /** What ffmpeg alone has opened, beside code and system files. */
  readonly openedByFfmpeg: readonly string[];
  /** Calls to the network. */
  readonly calls: readonly string[];
}

/** What the server and its children open and call while the work is done; a file that is not there counts as opened. */
async function trace(work: () => Promise<void>): Promise<Trace> {
  const output = join(folder, 'trace.txt');
  const calls = 'trace=execve,open,openat,openat2,creat,connect,sendto,sendmsg';
  const strace = spawn(
    'strace',
    ['-f', '-y', '-s', '4096', '-e', calls, '-o', output, '-p', String(server.pid)],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const ended = once(strace, 'exit');
  await attached(strace);
  try {
    await work();
  } finally {
    strace.kill('SIGINT');
    await ended;
  }
  return readTrace(readFileSync(output, 'utf8').split('\n'));
}

function readTrace(lines: readonly string[]): Trace {
  const opened: string[] = [];
  const openedByFfmpeg: string[] = [];
  const ffmpegs = new Set<string>();
  for (const line of lines) {
    const [pid = ''] = line.split(' ', 1);
    if (/ execve\("[^"]*ffmpeg"/.test(line)) ffmpegs.add(pid);
    const path = openedPath(line);
    if (path === undefined) continue;
    opened.push(path);
    if (ffmpegs.has(pid) && !OF_THE_SYSTEM.test(path)) openedByFfmpeg.push(path);
  }
  return { opened, openedByFfmpeg, calls: lines.filter((line) => /sa_family=AF_INET/.test(line)) };
}

/** What was opened in the end, whatever name it was asked for by: `/proc/self/fd/3` is a recording. */
function openedPath(line: string): string | undefined {
  const call =
    / (?:open|openat|openat2|creat)\((?:(?:AT_FDCWD|\d+)(?:<[^>]*>)?, )?"([^"]*)".*?(?:= \d+<([^>]*)>)?$/.exec(
      line,
    );
  return call?.[2] ?? call?.[1];
}

/** Its words go on being read: a watcher that cannot write them ends. */
function attached(strace: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    strace.stderr?.on('data', (bytes: Buffer) => {
      said += bytes.toString();
      if (said.includes('attached')) resolve();
    });
    strace.once('exit', () => reject(new Error(`strace could not watch the server: ${said}`)));
  });
}

describe.skipIf(!canTrace)('R5 what is opened for a recording (needs strace)', () => {
  it('the folder of its request, code and system files: nothing else, and nobody is called', async () => {
    const { post, dataDir } = server;
    const recordings = await Promise.all(
      (['mp3', 'm4a', 'webm', 'flac'] as const).map(async (container) => {
        const path = join(folder, `sound.${container}`);
        await convertWithFfmpeg(fixturePath('jfk.wav'), container, path, ['-t', '1']);
        return readFileSync(path);
      }),
    );
    const movies = [await referringMovie(folder, canary), await referringMovie(folder, `http://${address}/`)];
    // What is loaded at the first request only is not this request's.
    for (const recording of [scripted('answer'), ...recordings])
      expect((await post(recording)).status).toBe(200);

    const { opened, openedByFfmpeg, calls } = await trace(async () => {
      for (const recording of recordings) expect((await post(recording)).status).toBe(200);
      const lists = [...Object.values(playLists({ address, path: canary })), ...signedPlayLists(address)];
      for (const text of lists) expect((await post(Buffer.from(text, 'latin1'))).status).toBe(400);
      for (const movie of movies) expect([200, 400]).toContain((await post(movie)).status);
    });

    const foreign = opened.filter((path) => !path.startsWith(dataDir) && !OF_THE_SYSTEM.test(path));
    expect([...new Set(foreign)]).toEqual([]);
    expect(openedByFfmpeg.length).toBeGreaterThan(recordings.length);
    const inFolders = new RegExp(`^${join(dataDir, 'scratch')}/server-\\w+/job-\\w+/upload$`);
    expect(openedByFfmpeg.filter((path) => !inFolders.test(path))).toEqual([]);
    expect(opened).not.toContain(canary);
    expect(calls).toEqual([]);
    expect(called).toBe(0);
    expect(isAlive(server.pid)).toBe(true);
  });
});
