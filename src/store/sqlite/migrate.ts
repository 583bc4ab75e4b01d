import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Database } from './driver.ts';

const MIGRATIONS = fileURLToPath(new URL('./migrations/', import.meta.url));

/**
 * Brings a database to the newest schema: `user_version` counts the files of `migrations/` that have run. Each file is one
 * transaction, and of two processes that start together one does it. Throws for a database of a newer version of this program.
 */
export function migrate(database: Database): void {
  const files = readdirSync(MIGRATIONS)
    .filter((name) => /^\d{4}_\w+\.sql$/.test(name))
    .sort();
  while (versionOf(database) < files.length) {
    database.exec('BEGIN IMMEDIATE');
    try {
      const version = versionOf(database);
      const file = files[version];
      if (file !== undefined)
        database.exec(
          `${readFileSync(join(MIGRATIONS, file), 'utf8')}\nPRAGMA user_version = ${version + 1};`,
        );
      database.exec('COMMIT');
    } catch (error) {
      database.exec('ROLLBACK');
      throw error;
    }
  }
  if (versionOf(database) > files.length) throw new NewerSchemaError(versionOf(database), files.length);
}

export class NewerSchemaError extends Error {
  constructor(found: number, known: number) {
    super(`it has schema version ${found}, this version of Stenographer knows ${known}`);
  }
}

function versionOf(database: Database): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
}
