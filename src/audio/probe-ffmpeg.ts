import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { SAMPLE_RATE } from './audio.ts';
import { DecodeProgress } from './decode-progress.ts';
import { decodeWithFfmpeg, type Ffmpeg } from './ffmpeg.ts';
import type { Guards } from './ffmpeg-command.ts';

/** For a server without ffmpeg: WAV only. */
export const NO_FFMPEG: Ffmpeg = {
  available: false,
  path: 'ffmpeg',
  guards: {},
  hint: 'No ffmpeg is configured.',
};

const INSTALL_HINT =
  'Install it (apt-get install ffmpeg, brew install ffmpeg) or set STENO_FFMPEG to its path.';

/** A program that hangs at its version is as good as none. */
const PROBE_TIMEOUT_MS = 10_000;

export interface ProbeOptions {
  /** A server that is root runs decoders as users with ids from here on, where that works. */
  readonly firstUser?: number | undefined;
  /** Called once, with the system's error, when a recording lies where it cannot be given to such a user: its decoder runs as root. */
  readonly onUserRefused?: ((error: unknown) => void) | undefined;
}

/**
 * Finds ffmpeg (a name on PATH, or a path), decodes one second of sound with it the way recordings are decoded, and
 * sees which guards work here. Never throws; takes about 0.3 s. The answer holds for the life of the process.
 */
export async function probeFfmpeg(name: string, options: ProbeOptions = {}): Promise<Ffmpeg> {
  const path = await findProgram(name);
  if (path === undefined)
    return { ...NO_FFMPEG, path: name, hint: `No program '${name}' was found. ${INSTALL_HINT}` };
  const version = /^ffmpeg version (\S+)/.exec(await outputOf([path, '-version']))?.[1];
  if (version === undefined)
    return {
      ...NO_FFMPEG,
      path,
      hint: `The program ${path} does not answer as ffmpeg does. ${INSTALL_HINT}`,
    };
  const guards = await workingGuards(path);
  const users = await findUsers(options.firstUser);
  for (const candidate of [...(users === undefined ? [] : [{ ...guards, users }]), guards, {}]) {
    const ffmpeg: Ffmpeg = { available: true, path, version, guards: candidate };
    if (await decodesOneSecond(ffmpeg))
      return withHint(telling(ffmpeg, options.onUserRefused), await missingDecoders(path));
  }
  return {
    ...NO_FFMPEG,
    path,
    version,
    hint: `The ffmpeg at ${path} fails to decode a second of sound. ${INSTALL_HINT}`,
  };
}

/** From now on refusals are told, the first of them: that of the probe's own file would say nothing about recordings. */
function telling(ffmpeg: Ffmpeg, tell: ProbeOptions['onUserRefused']): Ffmpeg {
  const { users } = ffmpeg.guards;
  if (users === undefined || tell === undefined) return ffmpeg;
  let isTold = false;
  const onRefused = (error: unknown): void => {
    if (!isTold) tell(error);
    isTold = true;
  };
  return { ...ffmpeg, guards: { ...ffmpeg.guards, users: { ...users, onRefused } } };
}

function withHint(ffmpeg: Ffmpeg, missing: readonly string[]): Ffmpeg {
  if (missing.length === 0) return ffmpeg;
  return {
    ...ffmpeg,
    hint: `This ffmpeg cannot decode ${missing.join(', ')}. Install one with all its decoders.`,
  };
}

/** Decoders that the nine formats of the API need; any name of a group will do. */
const NEEDED_DECODERS: Readonly<Record<string, readonly string[]>> = {
  mp3: ['mp3', 'mp3float'],
  aac: ['aac', 'libfdk_aac'],
  flac: ['flac'],
  vorbis: ['vorbis', 'libvorbis'],
  opus: ['opus', 'libopus'],
};

async function missingDecoders(path: string): Promise<string[]> {
  const listed = new Set((await outputOf([path, '-hide_banner', '-decoders'])).split(/\s+/));
  return Object.keys(NEEDED_DECODERS).filter(
    (coding) => !NEEDED_DECODERS[coding]?.some((name) => listed.has(name)),
  );
}

/** Each guard is tried alone around `ffmpeg -version`: containers and hardened kernels forbid some of them. */
async function workingGuards(path: string): Promise<Guards> {
  const [unshare, prlimit, setpriv] = await Promise.all(['unshare', 'prlimit', 'setpriv'].map(findProgram));
  const [network, limits, privileges] = await Promise.all([
    firstWorking(path, unshare, [['--net'], ['--map-root-user', '--net']]),
    firstWorking(path, prlimit, [['--nofile=64']]),
    firstWorking(path, setpriv, [['--no-new-privs', '--pdeathsig', 'KILL'], ['--no-new-privs']]),
  ]);
  return {
    ...(network && { network }),
    ...(limits && { limits: limits.slice(0, 1) }),
    ...(privileges && { privileges }),
  };
}

/** Whether the user can really be changed shows the second of sound that is decoded with it. */
async function findUsers(first: number | undefined): Promise<Guards['users']> {
  if (first === undefined || process.getuid?.() !== 0) return undefined;
  const program = await findProgram('unshare');
  return program === undefined ? undefined : { program, first };
}

async function firstWorking(
  path: string,
  guard: string | undefined,
  variants: readonly (readonly string[])[],
): Promise<readonly string[] | undefined> {
  if (guard === undefined) return undefined;
  for (const variant of variants) {
    const output = await outputOf([guard, ...variant, path, '-version']);
    if (output.startsWith('ffmpeg version')) return [guard, ...variant];
  }
  return undefined;
}

async function decodesOneSecond(ffmpeg: Ffmpeg): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'steno-probe-'));
  try {
    const path = join(folder, 'in');
    await writeFile(path, oneSecondWav());
    const progress = new DecodeProgress();
    const options = {
      outputPath: join(folder, 'out'),
      maximumSeconds: 2,
      progress,
      signal: new AbortController().signal,
    };
    await decodeWithFfmpeg(ffmpeg, { path, demuxer: 'wav' }, options);
    return progress.samples === SAMPLE_RATE;
  } catch {
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A saw tooth of 100 Hz, mono, 16 bits. */
function oneSecondWav(): Buffer {
  const bytes = Buffer.alloc(44 + SAMPLE_RATE * 2);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(SAMPLE_RATE, 24);
  bytes.writeUInt32LE(SAMPLE_RATE * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(SAMPLE_RATE * 2, 40);
  for (let index = 0; index < SAMPLE_RATE; index += 1)
    bytes.writeInt16LE((index % 160) * 100 - 8000, 44 + index * 2);
  return bytes;
}

/** PATH is looked up here, because ffmpeg itself runs with an empty environment and so needs its full name. */
async function findProgram(name: string): Promise<string | undefined> {
  const folders = name.includes('/')
    ? ['']
    : (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of folders) {
    const path = resolve(folder, name);
    const isProgram = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isProgram) return path;
  }
  return undefined;
}

/** Standard output of a command that succeeds, else ''. */
async function outputOf(command: readonly string[]): Promise<string> {
  const [program = '', ...rest] = command;
  const options = { env: {}, timeout: PROBE_TIMEOUT_MS, maxBuffer: 1024 ** 2 };
  return promisify(execFile)(program, rest, options).then(
    ({ stdout }) => stdout,
    () => '',
  );
}
