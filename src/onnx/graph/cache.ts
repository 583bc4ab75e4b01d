import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface CachedFolderOptions {
  directory: string;
  /** Folder name without the key: `moonshine-3f2a`. Other keys under the same name are older versions of the same thing. */
  name: string;
  /** All that the content depends on: hashes of inputs, versions, options. */
  key: readonly string[];
  /** Writes the content into an empty folder; the same key must give the same files. */
  build: (folder: string) => Promise<void>;
}

/** Holds the sha256 of all other files of a folder. */
const SUM_FILE = 'sha256';
const HASHED_AT_ONCE_BYTES = 1 << 18;
/** For another process that builds the same: far longer than it takes. */
const LONGEST_WAIT_MS = 30_000;
const WAIT_STEP_MS = 50;
/** Folders of things that nobody has opened for so long are removed when something new is built. */
const FORGOTTEN_DAYS = 60;

/**
 * Path of a folder of derived files, made on the first call and found again after.
 *
 * What is returned was complete and undamaged when this was called: content and its sum are written to a temporary folder, synced
 * and renamed as one, and the sum is checked on every call. Files of a published folder never change, so they may be mapped into
 * memory. Two processes may do this at once: the later one waits for the other, as long as that lives and not for ever; should
 * both build, the first rename wins and the other takes what it finds.
 * Folders of the same name with another key are removed; those who have them open keep reading.
 */
export async function cachedFolder(options: CachedFolderOptions): Promise<string> {
  const { directory, name, key } = options;
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16);
  const path = join(directory, `${name}-${digest}`);
  const waitEndMs = Date.now() + LONGEST_WAIT_MS;
  while (!(await isIntact(path))) {
    if (Date.now() < waitEndMs && (await isBeingBuilt(path))) await sleep(WAIT_STEP_MS);
    else await publish(options, path);
  }
  await removeStale(directory, name, path);
  // Not everywhere allowed: then it counts as opened when it was built.
  await utimes(path, new Date(), new Date()).catch(() => undefined);
  return path;
}

/** Sha256 of files in hex, one after another, through one small buffer: memory is counted here. */
export async function hashFiles(...paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(HASHED_AT_ONCE_BYTES);
  for (const path of paths) {
    const file = await open(path, 'r');
    try {
      while (true) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  }
  return hash.digest('hex');
}

async function publish({ directory, build }: CachedFolderOptions, path: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const temporary = `${path}.${process.pid}.${randomUUID()}.tmp`;
  try {
    await mkdir(temporary);
    await build(temporary);
    await writeFile(join(temporary, SUM_FILE), await sumOf(temporary));
    for (const file of await readdir(temporary)) await sync(join(temporary, file));
    await moveIntoPlace(temporary, path);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** A folder that stands there already is another process's, just published, or a damaged one. */
async function moveIntoPlace(temporary: string, path: string): Promise<void> {
  try {
    await rename(temporary, path);
  } catch (error) {
    if (!isOneOf(error, ['ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EPERM'])) throw error;
    if (await isIntact(path)) return;
    await rm(path, { recursive: true, force: true });
    await moveIntoPlace(temporary, path);
  }
}

async function isIntact(folder: string): Promise<boolean> {
  try {
    return (await readFile(join(folder, SUM_FILE), 'utf8')) === (await sumOf(folder));
  } catch (error) {
    if (isOneOf(error, ['ENOENT', 'ENOTDIR'])) return false;
    throw error;
  }
}

async function sumOf(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter((file) => file !== SUM_FILE).sort();
  return hashFiles(...files.map((file) => join(folder, file)));
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Removes what other keys left, what nobody has opened for long, and temporaries of processes that died. */
async function removeStale(directory: string, name: string, path: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    const found = join(directory, entry);
    const parts = /^(.+)-[0-9a-f]{16}(?<temporary>\..+\.tmp)?$/.exec(entry);
    if (parts === null || found === path || isBeingWritten(entry)) continue;
    const isOlder = parts[1] === name;
    if (isOlder || parts.groups?.temporary !== undefined || (await isForgotten(found)))
      await rm(found, { recursive: true, force: true });
  }
}

/** Whether another process that lives has a temporary of this folder. */
async function isBeingBuilt(path: string): Promise<boolean> {
  const entries = await readdir(dirname(path)).catch(() => []);
  return entries.some((entry) => entry.startsWith(`${basename(path)}.`) && isOfOther(entry));
}

async function isForgotten(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true && Date.now() - found.mtimeMs > FORGOTTEN_DAYS * 24 * 60 * 60 * 1000;
}

/** The process that a temporary's name names; undefined for other names. */
function writerOf(entry: string): number | undefined {
  const [, pid] = /\.(\d+)\.[0-9a-f-]{36}\.tmp$/.exec(entry) ?? [];
  return pid === undefined ? undefined : Number(pid);
}

const isOfOther = (entry: string): boolean => writerOf(entry) !== process.pid && isBeingWritten(entry);

/** A temporary of a process that still lives. */
function isBeingWritten(entry: string): boolean {
  const pid = writerOf(entry);
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isOneOf(error, ['ESRCH']);
  }
}

const isOneOf = (error: unknown, codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));
