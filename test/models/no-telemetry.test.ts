import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, JFK, ROOT, runCli, temporaryFolder } from '../support/run-cli.ts';

const folder = temporaryFolder();
const home = join(folder.path, 'home');
beforeAll(() => {
  buildCli();
  mkdirSync(home);
});
afterAll(() => folder.remove());

const environment = {
  HOME: home,
  XDG_CACHE_HOME: join(home, 'cache'),
  // The runtime itself keeps quiet where it believes that tests run.
  CI: '',
  GITHUB_ACTIONS: '',
  STENO_DATA_DIR: join(folder.path, 'data'),
  STENO_ENGINE_PROCESSES: '1',
};

const canTrace = (() => {
  try {
    execFileSync('strace', ['-qq', '-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe('a transcription', () => {
  it('leaves nothing in the home folder: the runtime makes no id of this machine', async () => {
    expect((await runCli(['transcribe', JFK], { environment })).code).toBe(0);
    const left = existsSync(home) ? readdirSync(home, { recursive: true }) : [];
    expect(left).toEqual([]);
  });

  it.skipIf(!canTrace)('opens no connection and asks for no name (needs strace)', () => {
    const output = join(folder.path, 'trace.txt');
    const main = join(ROOT, 'dist/cli/main.js');
    const traced = ['-f', '-qq', '-e', 'trace=socket,connect,sendto,sendmsg', '-o', output];
    const ended = spawnSync('strace', [...traced, process.execPath, main, 'transcribe', JFK], {
      env: { PATH: process.env.PATH, ...environment },
      encoding: 'utf8',
    });
    expect(ended.status, ended.stderr).toBe(0);
    expect(readFileSync(output, 'utf8')).not.toMatch(/AF_INET6?\b/);
  });
});
