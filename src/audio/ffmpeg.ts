import { type ChildProcess, spawn } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { FfmpegRequiredError, OutOfMemoryError, StenographerError } from '../errors.ts';
import { endFirstWithoutMemory, outOfMemoryKills } from '../util/out-of-memory.ts';
import { SAMPLE_RATE, samplesToSeconds } from './audio.ts';
import type { DecodeProgress } from './decode-progress.ts';
import { type FfmpegInput, ffmpegCommand, type Guards } from './ffmpeg-command.ts';
import { CANNOT_START_CODES, explainFailure, FfmpegReport } from './ffmpeg-report.ts';
import { openForUser, takeFfmpegUser } from './ffmpeg-users.ts';
import { isWithinLimits, requireWithinLimits } from './sound-limits.ts';

/** The ffmpeg of this machine, as `probeFfmpeg` found it. */
export interface Ffmpeg {
  readonly available: boolean;
  /** Absolute when available, else what was looked for. */
  readonly path: string;
  readonly version?: string;
  /** What is wrong or missing, and what to do about it. */
  readonly hint?: string;
  readonly guards: Guards;
}

export interface FfmpegDecodeOptions {
  /** A new file; mono s16le at SAMPLE_RATE. */
  readonly outputPath: string;
  /** Longer sound throws AudioTooLongError. */
  readonly maximumSeconds: number;
  readonly progress: DecodeProgress;
  readonly signal: AbortSignal;
}

/** How often the growing file is looked at. */
const WATCH_MS = 25;

/**
 * Wall-clock allowance: this long for any file, and this share of the sound decoded so far (reliability.md section
 * 4).
 */
const LEAST_SECONDS = 30;
const SECONDS_PER_SECOND = 0.05;

/**
 * Decodes the first audio track. ffmpeg writes straight into the output file, which it gets as its standard output:
 * this process only looks at the file's size, so samples are counted exactly and pass through no pipe. It runs in its
 * own process group with an empty environment, and is gone when this returns or throws: StenographerError, or the
 * signal's reason when aborted.
 */
export async function decodeWithFfmpeg(
  ffmpeg: Ffmpeg,
  input: FfmpegInput,
  options: FfmpegDecodeOptions,
): Promise<{ readonly truncated: boolean }> {
  options.signal.throwIfAborted();
  await using output = await open(options.outputPath, 'wx', 0o600);
  const { users } = ffmpeg.guards;
  using user = users === undefined ? undefined : takeFfmpegUser(users.first);
  await using recording =
    user === undefined || users === undefined ? undefined : await openForUser(input.path, user.id, users);
  const report = new FfmpegReport();
  // One second more than allowed, so that too long can be told from just long enough.
  const owned = user === undefined || recording === undefined ? input : { ...input, userId: user.id };
  const command = ffmpegCommand(ffmpeg, owned, options.maximumSeconds + 1);
  const killsBefore = outOfMemoryKills();
  const child = start(command, [output, recording], input.demuxer);
  endFirstWithoutMemory(child.pid);
  if (input.background === true) stepBack(child);
  child.stderr?.setEncoding('utf8').on('data', (text: string) => report.push(text));
  const watch = watchOutput(child, output, report, options);
  const end = await finished(child).finally(() => watch.stop());
  report.end();
  options.signal.throwIfAborted();
  if (end.error !== undefined || CANNOT_START_CODES.includes(end.exitCode))
    throw startError(end.error, input.demuxer);
  watch.look();
  if (end.signal === 'SIGKILL' && watch.stopped === undefined && outOfMemoryKills() > killsBefore)
    throw new OutOfMemoryError('the kernel ended ffmpeg');
  if (report.facts.sound !== undefined) requireWithinLimits(report.facts.sound);
  const failure = explainFailure(
    { ...end, samples: watch.samples, stopped: watch.stopped },
    report.facts,
    options.maximumSeconds,
  );
  if (failure !== undefined) throw failure;
  return { truncated: report.facts.damaged || end.exitCode !== 0 };
}

function start(
  command: readonly string[],
  [output, recording]: readonly [FileHandle, FileHandle | undefined],
  format: string,
): ChildProcess {
  const [program = '', ...rest] = command;
  try {
    const stdio = ['ignore', output.fd, 'pipe', ...(recording === undefined ? [] : [recording.fd])] as const;
    return spawn(program, rest, { cwd: '/', env: {}, detached: true, stdio: [...stdio] });
  } catch (error) {
    // Most failures arrive as an event; want of memory is thrown.
    throw startError(error as Error, format);
  }
}

/** As processes with long work do: scheduler/inference-host.ts. */
const BACKGROUND_NICE = 10;

function stepBack({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) setPriority(pid, BACKGROUND_NICE);
  } catch {
    // It has ended already, or this is not allowed here; the work is the same.
  }
}

interface OutputWatch {
  look(): void;
  stop(): void;
  readonly samples: number;
  readonly stopped: 'too-long' | 'too-slow' | undefined;
}

/** Publishes what is decoded and ends the run that breaks a limit or is no longer wanted. */
function watchOutput(
  child: ChildProcess,
  output: FileHandle,
  report: FfmpegReport,
  options: FfmpegDecodeOptions,
): OutputWatch {
  const maximumSamples = Math.round(options.maximumSeconds * SAMPLE_RATE);
  const startMs = performance.now();
  let samples = 0;
  let stopped: OutputWatch['stopped'];
  const look = () => {
    samples = Math.floor(fstatSync(output.fd).size / 2);
    const seconds = (performance.now() - startMs) / 1000;
    if (samples > maximumSamples) stopped = 'too-long';
    else if (seconds > Math.max(LEAST_SECONDS, samplesToSeconds(samples) * SECONDS_PER_SECOND))
      stopped = 'too-slow';
    const suitable = report.facts.sound === undefined || isWithinLimits(report.facts.sound);
    if (stopped === undefined && suitable) options.progress.publish(samples);
    else if (isRunning(child)) killGroup(child);
  };
  const timer = setInterval(look, WATCH_MS);
  const kill = () => killGroup(child);
  options.signal.addEventListener('abort', kill, { once: true });
  // The signal may have come while the output file was being opened.
  if (options.signal.aborted) kill();
  return {
    look,
    stop() {
      clearInterval(timer);
      options.signal.removeEventListener('abort', kill);
    },
    get samples() {
      return samples;
    },
    get stopped() {
      return stopped;
    },
  };
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

/** Resolves when the process is gone and its messages are read; never rejects. */
function finished(child: ChildProcess): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ exitCode: null, signal: null, error }));
    // A helper that the program left behind would keep the pipe open and the sound unfinished.
    child.once('exit', () => killGroup(child));
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

/** The whole process group at once: the output is temporary, so there is nothing to finish in good order. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

function startError(cause: Error | undefined, format: string): StenographerError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (code !== undefined && code !== 'ENOENT' && code !== 'EACCES')
    return new StenographerError(
      'engine_unavailable',
      'The server could not start its audio decoder. Try again shortly.',
      {
        retryAfterSecond: 2,
        cause,
      },
    );
  return new FfmpegRequiredError(format);
}
