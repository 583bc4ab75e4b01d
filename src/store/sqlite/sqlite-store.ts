import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { StoreError } from '../../errors.ts';
import { type KeyRow, type Store, type UsageQuery, type UsageRow, type UsageSum, utcDay } from '../store.ts';
import { type Database, openDatabase, type Value } from './driver.ts';
import { LogSync } from './log-sync.ts';
import { migrate } from './migrate.ts';
import { openingError } from './opening-error.ts';

/** A commit waits so long for another process (`steno keys`) that is just writing. */
const BUSY_TIMEOUT_MS = 5000;

/** The log is folded into the file when it has so many pages of 4 KiB: small, so that a nearly full disk is enough. */
const LOG_PAGES = 100;

/**
 * The store in one SQLite file: write-ahead log, and every commit but that of usage is on the disk before it returns. Several
 * processes may open it; SQLite lets one write at a time. Throws ConfigError, in words for the operator, for a file that cannot be used.
 */
export async function openSqliteStore(path: string): Promise<Store> {
  let database: Database | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    create(path);
    checkOwner(path);
    database = await openDatabase(path);
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`);
    migrate(database);
    const verdict = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
    if (verdict !== 'ok') throw Object.assign(new Error(String(verdict)), { errcode: 11 });
    return new SqliteStore(path, database);
  } catch (error) {
    database?.close();
    throw openingError(path, error);
  }
}

/**
 * Made here for its mode, which the log and its index take over. A file that is there is left alone: closing it would end the locks
 * that this process has on it already.
 */
function create(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** In a folder that others can write, such as /tmp, somebody could have put a store with keys of his own. */
function checkOwner(path: string): void {
  const me = process.getuid?.();
  if (me === undefined || me === 0) return;
  if (statSync(path).uid !== me) throw Object.assign(new Error('foreign owner'), { code: 'EPERM' });
}

class SqliteStore implements Store {
  readonly #path: string;
  readonly #inode: number;
  readonly #database: Database;
  readonly #log: LogSync | undefined;
  readonly #statements = new Map<string, ReturnType<Database['prepare']>>();
  /** Changes of other connections move SQLite's own counter, changes of this one do not. */
  #ownChanges = 0;
  #failed = false;

  constructor(path: string, database: Database) {
    this.#path = path;
    this.#inode = statSync(path).ino;
    this.#database = database;
    this.#log = LogSync.open(path);
  }

  pepperMark(): string | undefined {
    const row = this.#all('SELECT value FROM meta WHERE name = ?', 'pepper')[0];
    return row === undefined ? undefined : String(row.value);
  }

  setPepperMark(mark: string): void {
    this.#write(() => this.#run('INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)', 'pepper', mark));
  }

  listKeys(): KeyRow[] {
    return this.#all('SELECT * FROM keys ORDER BY created_ms, id').map(keyRow);
  }

  insertKey(key: KeyRow): void {
    this.#write(() =>
      this.#run(
        'INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        key.id,
        key.name,
        key.scope,
        key.hash,
        key.createdMs,
        key.revokedMs ?? null,
        key.requestsPerMinute ?? null,
        key.audioSecondsPerDay ?? null,
        key.audioSecondsPerMonth ?? null,
      ),
    );
    this.#ownChanges += 1;
  }

  revokeKey(id: string, atMs: number): boolean {
    const sql = 'UPDATE keys SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL';
    const changes = this.#write(() => this.#run(sql, atMs, id));
    this.#ownChanges += 1;
    return changes > 0;
  }

  keysVersion(): string {
    return `${this.#all('PRAGMA data_version')[0]?.data_version}:${this.#ownChanges}`;
  }

  /** SQLite itself would wait for the disk on this thread: here it only writes, and the waiting is done elsewhere. */
  addUsage(...rows: readonly UsageRow[]): Promise<void> {
    const log = this.#log;
    if (log !== undefined) this.#database.exec('PRAGMA synchronous = NORMAL');
    try {
      this.#write(() => {
        for (const row of rows) this.#addUsage(row);
      });
    } finally {
      if (log !== undefined) this.#database.exec('PRAGMA synchronous = FULL');
    }
    return log === undefined ? Promise.resolve() : this.#bringToDisk(log);
  }

  async #bringToDisk(log: LogSync): Promise<void> {
    try {
      await log.sync();
    } catch (error) {
      this.#failed = true;
      throw new StoreError(error);
    }
  }

  #addUsage({ requestId, keyId, model, format, audioMs, processingMs, status, atMs }: UsageRow): void {
    const insert = 'INSERT OR IGNORE INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?)';
    const added = this.#run(insert, requestId, keyId, model, format, audioMs, processingMs, status, atMs);
    if (added === 0) return;
    this.#run(
      `INSERT INTO usage_days VALUES (?, ?, ?, 1, ?) ON CONFLICT DO UPDATE
         SET requests = requests + 1, audio_ms = audio_ms + excluded.audio_ms`,
      utcDay(atMs),
      keyId,
      model,
      audioMs,
    );
  }

  usedAudioMs(keyId: string, fromDay: string, toDay: string): number {
    const sql = 'SELECT sum(audio_ms) AS audio_ms FROM usage_days WHERE key_id = ? AND day BETWEEN ? AND ?';
    return Number(this.#all(sql, keyId, fromDay, toDay)[0]?.audio_ms ?? 0);
  }

  sumUsage({ keyId, fromDay, toDay }: UsageQuery): UsageSum[] {
    const sql = `SELECT * FROM usage_days WHERE day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR key_id = ?3)
      ORDER BY day, key_id, model`;
    return this.#all(sql, fromDay, toDay, keyId ?? null).map((row) => ({
      day: String(row.day),
      keyId: String(row.key_id),
      model: String(row.model),
      requests: Number(row.requests),
      audioMs: Number(row.audio_ms),
    }));
  }

  listUsage({ keyId, fromDay, toDay }: UsageQuery, limit: number): UsageRow[] {
    const sql = `SELECT * FROM usage WHERE at_ms >= ?1 AND at_ms < ?2 AND (?3 IS NULL OR key_id = ?3)
      ORDER BY at_ms DESC, rowid DESC LIMIT ?4`;
    const endMs = Date.parse(toDay) + 24 * 3_600_000;
    return this.#all(sql, Date.parse(fromDay), endMs, keyId ?? null, limit).map(usageRow);
  }

  deleteUsage(day: string, most: number): boolean {
    return this.#write(() => {
      const rows = 'DELETE FROM usage WHERE rowid IN (SELECT rowid FROM usage WHERE at_ms < ? LIMIT ?)';
      if (this.#run(rows, Date.parse(day), most) > 0) return true;
      const sums = `DELETE FROM usage_days WHERE (key_id, day, model) IN
        (SELECT key_id, day, model FROM usage_days WHERE day < ? LIMIT ?)`;
      return this.#run(sums, day, most) > 0;
    });
  }

  deleteRevokedKeys(beforeMs: number): number {
    const sql = `DELETE FROM keys WHERE revoked_ms < ? AND id NOT IN (SELECT key_id FROM usage_days)
      AND id <> (SELECT id FROM keys ORDER BY revoked_ms IS NULL DESC, created_ms DESC, id DESC LIMIT 1)`;
    const deleted = this.#write(() => this.#run(sql, beforeMs));
    if (deleted > 0) this.#ownChanges += 1;
    return deleted;
  }

  /** Reading shows that the file is well; writing is tried only after it has failed, because it waits for the disk. */
  check(): void {
    const inode = statSync(this.#path, { throwIfNoEntry: false })?.ino;
    if (inode !== this.#inode) throw new StoreError(new Error('the database file was removed or replaced'));
    this.#all('SELECT count(*) FROM meta');
    if (this.#failed)
      this.#write(() => this.#run("INSERT OR REPLACE INTO meta (name, value) VALUES ('checked', '')"));
  }

  /** The packaged driver ends a connection only when its statements are collected, so the log is brought home before. */
  close(): void {
    try {
      this.#database.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // The next start reads the log.
    }
    this.#log?.close();
    this.#database.close();
  }

  #write<Result>(work: () => Result): Result {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#database.exec('COMMIT');
        this.#failed = false;
        return result;
      } catch (error) {
        this.#rollBack();
        throw error;
      }
    } catch (error) {
      this.#failed = true;
      throw error instanceof StoreError ? error : new StoreError(error);
    }
  }

  /** A full disk has rolled back by itself; a second time is an error that says nothing. */
  #rollBack(): void {
    try {
      this.#database.exec('ROLLBACK');
    } catch {}
  }

  #run(sql: string, ...values: readonly Value[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  #all(sql: string, ...values: readonly Value[]): Readonly<Record<string, unknown>>[] {
    try {
      return this.#prepare(sql).all(...values);
    } catch (error) {
      throw new StoreError(error);
    }
  }

  #prepare(sql: string): ReturnType<Database['prepare']> {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function keyRow(row: Readonly<Record<string, unknown>>): KeyRow {
  return {
    id: String(row.id),
    name: String(row.name),
    scope: row.scope === 'admin' ? 'admin' : 'user',
    hash: String(row.hash),
    createdMs: Number(row.created_ms),
    revokedMs: optionalNumber(row.revoked_ms),
    requestsPerMinute: optionalNumber(row.requests_per_minute),
    audioSecondsPerDay: optionalNumber(row.audio_seconds_per_day),
    audioSecondsPerMonth: optionalNumber(row.audio_seconds_per_month),
  };
}

function usageRow(row: Readonly<Record<string, unknown>>): UsageRow {
  return {
    requestId: String(row.request_id),
    keyId: String(row.key_id),
    model: String(row.model),
    format: String(row.format),
    audioMs: Number(row.audio_ms),
    processingMs: Number(row.processing_ms),
    status: row.status === 'stopped' ? 'stopped' : 'completed',
    atMs: Number(row.at_ms),
  };
}

function optionalNumber(value: unknown): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
