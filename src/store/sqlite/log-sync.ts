import { close, closeSync, fdatasync, openSync } from 'node:fs';

/**
 * Brings the write-ahead log of an open database to the disk without holding up this thread. SQLite's `synchronous = FULL` does the same
 * after each commit, on the thread that commits; with `NORMAL` it leaves it to the next checkpoint (https://sqlite.org/wal.html), which
 * keeps the file sound but would lose the last commits in a power cut.
 */
export class LogSync {
  readonly #file: number;
  #running = 0;
  #closed = false;

  private constructor(file: number) {
    this.#file = file;
  }

  /** Undefined where SQLite keeps no such log, as on file systems without shared memory. The database must have been read. */
  static open(databasePath: string): LogSync | undefined {
    try {
      // Closing this file later ends no lock of SQLite's: those are on the database and on the index of the log.
      return new LogSync(openSync(`${databasePath}-wal`, 'r+'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Resolves when all that is committed by now is on the disk. */
  sync(): Promise<void> {
    this.#running += 1;
    return new Promise((resolve, reject) => {
      fdatasync(this.#file, (error) => {
        this.#running -= 1;
        if (this.#closed && this.#running === 0) close(this.#file);
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  /** Waits with closing for what still runs: the number could belong to another file by then. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running === 0) closeSync(this.#file);
  }
}
