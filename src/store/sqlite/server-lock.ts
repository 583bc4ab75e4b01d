import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../errors.ts';
import { openDatabase } from './driver.ts';
import { openingError } from './opening-error.ts';

/**
 * One server a data folder: two would each let a key use its whole quota. The lock is the operating system's, held through SQLite
 * on a file of its own, so that it ends with the process however that dies. Throws ConfigError when another server holds it.
 */
export async function lockDataFolder(dataDir: string): Promise<{ release(): void }> {
  const path = join(dataDir, 'server.lock');
  const ownerPath = join(dataDir, 'server.pid');
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const database = await openDatabase(path);
    try {
      database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      throw error;
    }
    writeFileSync(ownerPath, `${process.pid}\n`, { mode: 0o600 });
    return { release: () => database.close() };
  } catch (error) {
    if ((error as { errcode?: number }).errcode === 5) throw new LockedError(dataDir, readOwner(ownerPath));
    throw openingError(path, error);
  }
}

class LockedError extends ConfigError {
  constructor(dataDir: string, owner: string) {
    super(
      `Another server${owner} uses the data folder ${dataDir}. Give each its own with STENO_DATA_DIR (--data-dir).`,
    );
  }
}

function readOwner(path: string): string {
  try {
    const pid = readFileSync(path, 'utf8').trim();
    return /^\d+$/.test(pid) ? ` (process ${pid})` : '';
  } catch {
    return '';
  }
}
