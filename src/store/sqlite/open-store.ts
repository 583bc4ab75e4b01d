import { join } from 'node:path';
import { openPepper } from '../pepper.ts';
import type { Store } from '../store.ts';
import { openSqliteStore } from './sqlite-store.ts';

/** Names inside the data folder. */
export const STORE_FILE = 'stenographer.db';

/** The store of a data folder with the secret that belongs to it. Throws ConfigError. */
export async function openDataStore(
  dataDir: string,
): Promise<{ readonly store: Store; readonly pepper: Buffer }> {
  const store = await openSqliteStore(join(dataDir, STORE_FILE));
  try {
    return { store, pepper: openPepper(dataDir, store) };
  } catch (error) {
    store.close();
    throw error;
  }
}
