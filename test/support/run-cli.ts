import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const JFK = join(ROOT, 'test/fixtures/audio/jfk.wav');
const MAIN = join(ROOT, 'dist/cli/main.js');

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves with the match once stderr holds it; rejects when the program ends before. */
  stderrHas(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Makes dist/ what src/ says; call it once before running the command. */
export function buildCli(): void {
  execFileSync(process.execPath, ['--import', 'tsx', 'scripts/build.ts', '--if-stale'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
}

/** A folder of its own for a test file: data, results. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'steno-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Starts `steno` as a user does: a process of its own, no terminal, no STENO_ settings but the given ones. */
export function startCli(
  args: readonly string[],
  options: { environment?: Record<string, string>; stdin?: Buffer } = {},
): RunningCli {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('STENO_'));
  const env = { ...Object.fromEntries(inherited), ...options.environment };
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => {
    stdout += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.stdin ?? '');
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    child,
    ended,
    stderrHas: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stderr);
          if (match !== null) resolve(match);
        };
        child.stderr.on('data', look);
        child.once('close', () => reject(new Error(`steno ended without ${pattern}: ${stderr}`)));
        look();
      }),
  };
}

export function runCli(...parameters: Parameters<typeof startCli>): Promise<Ended> {
  return startCli(...parameters).ended;
}
