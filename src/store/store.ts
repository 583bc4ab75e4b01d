/**
 * What survives a restart: keys and usage. Methods are synchronous: each is one short transaction of an embedded database, and what
 * must be exact (a quota that is checked and taken) cannot be interleaved. A method that cannot do its work throws StoreError.
 */
export interface Store {
  /** What the pepper of this store hashes to; undefined until {@link setPepperMark}. */
  pepperMark(): string | undefined;
  setPepperMark(mark: string): void;

  /** All keys, revoked ones too, oldest first. */
  listKeys(): KeyRow[];
  /** Durable when it returns. */
  insertKey(key: KeyRow): void;
  /** False when there is no such key or it is revoked already. Durable when it returns. */
  revokeKey(id: string, atMs: number): boolean;
  /** Another value whenever keys may have changed, by this process or another one. Cheap enough for every request. */
  keysVersion(): string;

  /**
   * Counts requests, all of them or, throwing, none; a second row with the same request id is ignored. When it returns everybody sees
   * them and a kill of this process loses none; its promise resolves when a power cut loses none either, and rejects with StoreError
   * when the disk cannot say so.
   */
  addUsage(...rows: readonly UsageRow[]): Promise<void>;
  /** Seconds in whole milliseconds that a key has used in the UTC days `fromDay` to `toDay`, both included. */
  usedAudioMs(keyId: string, fromDay: string, toDay: string): number;
  /** Sums a key, day and model, by day, key and model. */
  sumUsage(query: UsageQuery): UsageSum[];
  /** Single rows, newest first. */
  listUsage(query: UsageQuery, limit: number): UsageRow[];

  /**
   * Forgets usage of the UTC days before `day`, rows and sums, `most` rows at a time; false when nothing is left to forget. A call
   * is one short transaction.
   */
  deleteUsage(day: string, most: number): boolean;
  /**
   * Forgets keys that were revoked before that moment and have no usage any more; how many. One key always stays, although it may be
   * revoked: a store that has had keys must not look like one that never had any.
   */
  deleteRevokedKeys(beforeMs: number): number;

  /** Throws StoreError when the store cannot be read and written. */
  check(): void;
  close(): void;
}

export type Scope = 'user' | 'admin';

/** What a key may use; undefined is no limit. */
export interface KeyLimits {
  readonly requestsPerMinute?: number | undefined;
  readonly audioSecondsPerDay?: number | undefined;
  readonly audioSecondsPerMonth?: number | undefined;
}

export interface KeyRow extends KeyLimits {
  /** `key_` and 12 hexadecimal digits; says nothing about the key. */
  readonly id: string;
  readonly name: string;
  readonly scope: Scope;
  /** Peppered SHA-256 of the key in hexadecimal digits; the key itself is nowhere. */
  readonly hash: string;
  readonly createdMs: number;
  readonly revokedMs?: number | undefined;
}

/** `completed`: answered whole. `stopped`: ended early after a part was transcribed, which is what counts. */
export type UsageStatus = 'completed' | 'stopped';

/** One request that cost something. No text, no file name. */
export interface UsageRow {
  readonly requestId: string;
  readonly keyId: string;
  readonly model: string;
  /** Response format. */
  readonly format: string;
  /** Whole milliseconds, so that sums are exact. */
  readonly audioMs: number;
  readonly processingMs: number;
  readonly status: UsageStatus;
  /** When it ended, Unix milliseconds. */
  readonly atMs: number;
}

export interface UsageQuery {
  /** Undefined: all keys. */
  readonly keyId?: string | undefined;
  /** UTC days as YYYY-MM-DD, both included. */
  readonly fromDay: string;
  readonly toDay: string;
}

export interface UsageSum {
  readonly day: string;
  readonly keyId: string;
  readonly model: string;
  readonly requests: number;
  readonly audioMs: number;
}

/** The UTC day of a moment, YYYY-MM-DD. */
export function utcDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
