import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wavBytes } from '../../support/audio-fixtures.ts';
import { type Answer, type FormRequest, filePart, postForm } from '../../support/multipart.ts';
import { descendantsOf } from './process-table.ts';

const SUPPORT = fileURLToPath(new URL('./', import.meta.url));

/**
 * What the stub does with a stretch of sound; the numbers are sample values. `devour` takes memory until there is none, `crave` does so
 * only beside other work.
 */
export const SCRIPT = {
  silence: 0,
  answer: 1000,
  crash: 2000,
  hang: 3000,
  fail: 4000,
  take: 5000,
  devour: 6000,
  crave: 7000,
} as const;
export type Script = keyof typeof SCRIPT;

export interface StubServerOptions {
  readonly settings?: Readonly<Record<string, string>>;
  /** Taken over after a kill; else a new one that is removed at the end. */
  readonly dataDir?: string;
}

export interface StubServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly child: ChildProcess;
  readonly dataDir: string;
  /** All it has written to its log and to stderr. */
  log(): string;
  /** Inference processes, oldest first. */
  inferenceIds(): number[];
  ffmpegIds(): number[];
  /** Request folders that are on disk now. */
  scratch(): string[];
  post(recording: Buffer, request?: FormRequest): Promise<Answer>;
  /** A figure of its own, by its name and labels as GET /metrics writes them; 0 for one that is not there (yet). */
  figure(name: string): Promise<number>;
  tasks(): Promise<EngineTasks>;
  /** Has the server collect its garbage, so that what stays resident is in use (or lost). */
  collectGarbage(): Promise<void>;
  ended: Promise<number | null>;
  stop(): Promise<void>;
}

/** As the server counts them. A recording is searched for speech first (`detect`), then its chunks are transcribed. */
export interface EngineTasks {
  readonly running: number;
  readonly waiting: number;
  /** Searches for speech that are done, since the start. */
  readonly detected: number;
}

/** The real server in a process of its own, with a scripted engine of one process that does one chunk at a time. */
export async function startStubServer(options: StubServerOptions = {}): Promise<StubServer> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'steno-fault-'));
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('STENO_'));
  const env = {
    ...Object.fromEntries(inherited),
    STUB_ENGINE: join(SUPPORT, 'stub-engine.mjs'),
    STENO_DATA_DIR: dataDir,
    STENO_PORT: '0',
    STENO_ENGINE_PROCESSES: '1',
    STENO_ENGINE_EXPRESS: 'false',
    STENO_GRACE_SECONDS: '1',
    STENO_DISK_RESERVE_BYTES: '0',
    ...options.settings,
  };
  const args = ['--import', 'tsx', join(SUPPORT, 'stub-server.ts')];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  const url = await new Promise<string>((resolve, reject) => {
    const read = (bytes: Buffer) => {
      log += bytes.toString();
      const match = /^listens on (\S+)$/m.exec(log);
      if (match?.[1] !== undefined) resolve(match[1]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void ended.then((code) => reject(new Error(`the server ended with ${code}: ${log}`)));
  });
  const pid = child.pid ?? 0;
  const idsOf = (pattern: RegExp) =>
    descendantsOf(pid)
      .filter(({ command }) => pattern.test(command))
      .map((row) => row.pid);
  const figure = async (name: string): Promise<number> => {
    const figures = await (await fetch(`${url}/metrics`)).text();
    const line = figures.split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length) ?? 0);
  };
  return {
    url,
    port: Number(new URL(url).port),
    pid,
    child,
    dataDir,
    log: () => log,
    inferenceIds: () => idsOf(/stub-engine\.mjs/),
    ffmpegIds: () => idsOf(/ffmpeg/),
    scratch: () => listScratch(dataDir),
    post: (recording, request = {}) => postForm(url, { file: filePart(recording), ...request }),
    figure,
    tasks: async () => ({
      running: await figure('steno_tasks_running'),
      waiting: await figure('steno_tasks_waiting'),
      detected: await figure('steno_tasks_total{kind="detect",outcome="completed"}'),
    }),
    async collectGarbage() {
      const before = log.split('collected').length;
      process.kill(pid, 'SIGUSR2');
      while (log.split('collected').length === before) await once(child.stdout, 'data');
    },
    ended,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export function listScratch(dataDir: string): string[] {
  const path = join(dataDir, 'scratch');
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('job-'));
}

/** A recording of scripts one after another, a second each unless told; between two of them lie 2.5 s of silence. */
export function scripted(...parts: readonly (Script | readonly [Script, number])[]): Buffer {
  const stretches = parts.map((part) => (typeof part === 'string' ? ([part, 1] as const) : part));
  const pause = 2.5;
  const starts = stretches.map((_, index) =>
    stretches.slice(0, index).reduce((sum, [, seconds]) => sum + seconds + pause, 0),
  );
  const seconds = (starts.at(-1) ?? 0) + (stretches.at(-1)?.[1] ?? 0);
  return wavBytes({
    seconds,
    generate: (second) => {
      const index = starts.findLastIndex((start) => start <= second);
      const [script, length] = stretches[index] ?? (['silence', 0] as const);
      return second - (starts[index] ?? 0) < length ? SCRIPT[script] / 32_768 : 0;
    },
  });
}
