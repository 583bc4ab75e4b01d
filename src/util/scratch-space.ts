import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, statfs, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, startOf } from './process-identity.ts';

/** A folder of one request (mode 0700); disposing removes it with all it holds. */
export interface ScratchFolder extends AsyncDisposable {
  readonly path: string;
  /** What was expected has come: it is in the disk's own figures from now on. */
  settle(): void;
}

/** A folder that is made when its path is first asked for. */
export interface LazyScratchFolder extends AsyncDisposable {
  path(): Promise<string>;
}

/** What must stay free on the disk, and what is thrown when it would not. */
export interface DiskReserve {
  /** 0 does not look. */
  readonly bytes: number;
  readonly error: () => Error;
}

/** Temporary folders under the data folder, one a request. */
export interface ScratchSpace {
  /**
   * Makes a folder and keeps so much of the disk for what is expected to come. Throws the reserve's error when the disk would
   * have less than the reserve left.
   */
  create(expectedBytes?: number): Promise<ScratchFolder>;
  /** Throws as `create` does when less than the reserve is free now, whatever is expected. */
  checkSpace(): Promise<void>;
  /** Removes the whole space of this process. */
  close(): Promise<void>;
}

const OWNER_FILE = 'owner.pid';
const SWEEP_INTERVAL_MS = 60_000;

/**
 * Opens `<dataDir>/scratch/<process>`. Folders of processes that are gone are removed first and then each minute, so that a kill -9
 * leaves nothing for longer than until the next start, also where several servers share a data folder.
 */
export async function openScratchSpace(
  dataDir: string,
  reserve: DiskReserve = { bytes: 0, error: () => new Error('the disk is full') },
): Promise<ScratchSpace> {
  const parent = join(dataDir, 'scratch');
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await sweep(parent);
  const root = await mkdtemp(join(parent, 'server-'));
  await writeFile(join(root, OWNER_FILE), `${process.pid} ${startOf(process.pid)}`);
  // A folder that cannot be removed now is tried again a minute later.
  const sweeping = setInterval(() => void sweep(parent).catch(() => undefined), SWEEP_INTERVAL_MS);
  sweeping.unref();
  let expected = 0;
  return {
    async create(expectedBytes = 0) {
      if (expectedBytes > 0) await requireSpace(root, reserve, expected + expectedBytes);
      expected += expectedBytes;
      let settled = false;
      const settle = () => {
        if (!settled) expected -= expectedBytes;
        settled = true;
      };
      try {
        const path = await mkdtemp(join(root, 'job-'));
        return {
          path,
          settle,
          async [Symbol.asyncDispose]() {
            settle();
            await removeFolder(path);
          },
        };
      } catch (error) {
        settle();
        throw error;
      }
    },
    checkSpace: () => requireSpace(root, reserve, 0),
    async close() {
      clearInterval(sweeping);
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Makes no folder for a request that writes nothing. */
export function createLazily(space: Pick<ScratchSpace, 'create'>): LazyScratchFolder {
  let folder: Promise<ScratchFolder> | undefined;
  return {
    async path() {
      folder ??= space.create();
      return (await folder).path;
    },
    async [Symbol.asyncDispose]() {
      // Whoever asked for a folder that could not be made has heard of it.
      const made = await folder?.catch(() => undefined);
      await made?.[Symbol.asyncDispose]();
    },
  };
}

/** Three calls where `rm` makes seven for a folder with one file: it looks at each thing before and after. */
async function removeFolder(path: string): Promise<void> {
  try {
    for (const name of await readdir(path)) await unlink(join(path, name));
    await rmdir(path);
  } catch {
    await rm(path, { recursive: true, force: true });
  }
}

async function requireSpace(path: string, reserve: DiskReserve, expectedBytes: number): Promise<void> {
  if (reserve.bytes === 0) return;
  const { bavail, bsize } = await statfs(path);
  if (bavail * bsize < reserve.bytes + expectedBytes) throw reserve.error();
}

async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const folder = join(parent, name);
    if (!(await ownerIsAlive(folder))) await rm(folder, { recursive: true, force: true });
  }
}

async function ownerIsAlive(folder: string): Promise<boolean> {
  const [pidText = '', start = ''] = (await readOwner(folder)).split(' ');
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return false;
  return start === startOf(pid);
}

/** A folder that was made a moment ago has no owner in it yet; one that stays so is nobody's. */
async function readOwner(folder: string): Promise<string> {
  const read = () => readFile(join(folder, OWNER_FILE), 'utf8').catch(() => '');
  const owner = await read();
  if (owner !== '') return owner;
  await new Promise((resolve) => setTimeout(resolve, 200));
  return read();
}
