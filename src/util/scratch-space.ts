import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A folder of one request (mode 0700); disposing removes it with all it holds. */
export interface ScratchFolder extends AsyncDisposable {
  readonly path: string;
}

/** Temporary folders under the data folder, one a request. */
export interface ScratchSpace {
  create(): Promise<ScratchFolder>;
  /** Removes the whole space of this process. */
  close(): Promise<void>;
}

const OWNER_FILE = 'owner.pid';

/**
 * Opens `<dataDir>/scratch/<process>`; folders that dead processes left behind are removed first, so that a kill -9 leaves
 * nothing for longer than until the next start.
 */
export async function openScratchSpace(dataDir: string): Promise<ScratchSpace> {
  const parent = join(dataDir, 'scratch');
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await sweep(parent);
  const root = await mkdtemp(join(parent, 'server-'));
  await writeFile(join(root, OWNER_FILE), String(process.pid));
  return {
    async create() {
      const path = await mkdtemp(join(root, 'job-'));
      return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
    },
    close: () => rm(root, { recursive: true, force: true }),
  };
}

async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const folder = join(parent, name);
    if (!(await ownerIsAlive(folder))) await rm(folder, { recursive: true, force: true });
  }
}

async function ownerIsAlive(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, OWNER_FILE), 'utf8').catch(() => '');
  const pid = Number(text);
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
