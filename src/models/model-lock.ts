import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, open, readFile, rm, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, startOf } from '../util/process-identity.ts';

/** A lock that is held; `release` ends it, and so does the end of the process. */
export interface ModelLock {
  release(): Promise<void>;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process holds the lock, and on every look after that. */
  readonly onWait?: () => void;
  readonly pollMs?: number;
}

const HEARTBEAT_MS = 5000;
/** An owner that this process cannot look at (another machine, another container) counts as dead after so long without a beat. */
const SILENCE_MS = 30_000;
const TAKEOVER_MS = 10_000;
const POLL_MS = 200;

/**
 * Waits for the lock file and takes it. The file names its owner, so that what a killed process left behind is taken over at once;
 * an owner elsewhere (a volume that two containers share) shows by touching the file that it lives. Throws the signal's reason.
 */
export async function takeLock(path: string, options: LockOptions = {}): Promise<ModelLock> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  while (true) {
    options.signal?.throwIfAborted();
    const text = ownerText();
    if (await createFile(path, text)) return holdLock(path, text);
    const state = stateOf(path);
    if (state === 'dead') await removeDead(path);
    if (state !== 'held') continue;
    options.onWait?.();
    await sleep(options.pollMs ?? POLL_MS, undefined, optionalSignal(options.signal));
  }
}

/** Whether a living process holds the lock now. */
export function isHeld(path: string): boolean {
  return stateOf(path) === 'held';
}

function stateOf(path: string): 'held' | 'dead' | 'absent' {
  try {
    const silentMs = Date.now() - statSync(path).mtimeMs;
    const [pid = '', start, place] = readFileSync(path, 'utf8').split('\n');
    // The file exists a moment before its text does.
    if (place === undefined || place !== placeOfThisProcess()) return silentMs < SILENCE_MS ? 'held' : 'dead';
    return isAlive(Number(pid)) && start === startOf(Number(pid)) ? 'held' : 'dead';
  } catch {
    return 'absent';
  }
}

function holdLock(path: string, text: string): ModelLock {
  const beat = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      // Whoever slept for long may have lost it to another.
      if ((await readFile(path, 'utf8').catch(() => '')) === text) await rm(path, { force: true });
    },
  };
}

/**
 * Two that find the same dead lock must not remove the new one of the other: only who made the second file may remove the first, and
 * while the dead one lies there nobody can make a new one.
 */
async function removeDead(path: string): Promise<void> {
  const right = `${path}.takeover`;
  if (await createFile(right, ownerText())) {
    try {
      if (stateOf(path) === 'dead') await rm(path, { force: true });
    } finally {
      await rm(right, { force: true });
    }
    return;
  }
  const age = Date.now() - (statSync(right, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  if (age > TAKEOVER_MS) await rm(right, { force: true });
  else await sleep(20);
}

async function createFile(path: string, text: string): Promise<boolean> {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (file === undefined) return false;
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  return (await readFile(path, 'utf8').catch(() => '')) === text;
}

function ownerText(): string {
  const nonce = randomBytes(8).toString('hex');
  return `${process.pid}\n${startOf(process.pid)}\n${placeOfThisProcess()}\n${nonce}`;
}

/** Where process ids mean the same: a machine, and on Linux a pid namespace of it. */
function placeOfThisProcess(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

function optionalSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
