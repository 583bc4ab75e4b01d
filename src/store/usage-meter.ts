import { QuotaExceededError, StoreError } from '../errors.ts';
import { type KeyLimits, type Store, type UsageRow, utcDay } from './store.ts';

export interface Account {
  readonly keyId: string;
  readonly limits: KeyLimits;
}

/** Where a key stands in a period; seconds. */
export interface QuotaState {
  readonly period: 'day' | 'month';
  readonly limit: number;
  readonly used: number;
  readonly resetMs: number;
}

export interface UsageMeter {
  /** Throws QuotaExceededError when nothing is left, StoreError when nothing more can be counted. Reserves nothing yet. */
  check(account: Account): void;
  /** Seconds that a request is going to use; nobody else can have them until it is settled. */
  reserve(account: Account): Reservation;
  /** The quotas that apply, with what is used by finished requests. */
  quotas(account: Account): QuotaState[];
  /** Rows that could not be written yet because the store failed. They are tried again every second, and count already. */
  readonly unwritten: number;
  /** Tries for the last time to write what is left. */
  close(): void;
}

export interface Reservation {
  /** Holds at least so many seconds in all from now on. Throws QuotaExceededError, and then holds what it held before. */
  grow(totalSecond: number): void;
  /**
   * Counts what was used instead of what was held, at once; without a row nothing. The first call counts, later ones do nothing.
   * Resolves when the row is on the disk, or has to wait in memory because the store failed. Never rejects.
   */
  settle(row?: Omit<UsageRow, 'keyId' | 'atMs'>): Promise<void>;
}

export interface UsageMeterOptions {
  readonly store: Store;
  readonly now?: () => number;
  /** Told when rows cannot be written; requests go on. */
  readonly onUnwritten?: (error: unknown, rows: number) => void;
}

interface WaitingRow {
  readonly row: UsageRow;
  /** Whoever waits for it goes on. */
  readonly settled: () => void;
}

const RETRY_MS = 1000;
/** With so many rows that could not be written, new requests are refused. */
const MOST_UNWRITTEN = 1000;

/**
 * Checks and takes in one step, so requests that run side by side cannot get more than is left: the sum of what is written, what
 * waits to be written and what is held stays within the quota. Periods are UTC days and months.
 *
 * Rows of requests that end while others are on their way to the disk are written together when those are there.
 */
export function createUsageMeter({ store, now = Date.now, onUnwritten }: UsageMeterOptions): UsageMeter {
  const heldMs = new Map<string, number>();
  let waiting: WaitingRow[] = [];
  let failed = false;
  let syncing = false;
  let retry: NodeJS.Timeout | undefined;

  return {
    check(account) {
      if (waiting.length >= MOST_UNWRITTEN) throw new StoreError(new Error('too many rows wait'));
      demand(account, 1);
    },
    reserve: (account) => reserve(account),
    quotas: (account) => quotasOf(account),
    get unwritten() {
      return failed ? waiting.length : 0;
    },
    close() {
      clearTimeout(retry);
      writeAll();
      clearTimeout(retry);
    },
  };

  function reserve(account: Account): Reservation {
    let ownMs = 0;
    let settled = false;
    return {
      grow(totalSecond) {
        const wantedMs = Math.round(totalSecond * 1000);
        if (settled || wantedMs <= ownMs) return;
        demand(account, wantedMs - ownMs);
        hold(account.keyId, wantedMs - ownMs);
        ownMs = wantedMs;
      },
      settle(row) {
        if (settled) return Promise.resolve();
        settled = true;
        hold(account.keyId, -ownMs);
        if (row === undefined) return Promise.resolve();
        return write({ ...wholeNumbers(row), keyId: account.keyId, atMs: now() });
      },
    };
  }

  function hold(keyId: string, deltaMs: number): void {
    const sum = (heldMs.get(keyId) ?? 0) + deltaMs;
    if (sum > 0) heldMs.set(keyId, sum);
    else heldMs.delete(keyId);
  }

  function demand(account: Account, moreMs: number): void {
    const held = heldMs.get(account.keyId) ?? 0;
    for (const { period, limit, used, resetMs } of quotasOf(account))
      if (used * 1000 + held + moreMs > limit * 1000)
        throw exceeded({ period, limit, used, resetMs }, { heldMs: held, nowMs: now() });
  }

  function quotasOf({ keyId, limits }: Account): QuotaState[] {
    const { audioSecondsPerDay, audioSecondsPerMonth } = limits;
    const today = utcDay(now());
    const firstOfMonth = `${today.slice(0, 8)}01`;
    const used = (fromDay: string): number => {
      const own = waiting.filter(({ row }) => {
        const day = utcDay(row.atMs);
        return row.keyId === keyId && fromDay <= day && day <= today;
      });
      const waitingMs = own.reduce((sum, { row }) => sum + row.audioMs, 0);
      return (store.usedAudioMs(keyId, fromDay, today) + waitingMs) / 1000;
    };
    const quotas: QuotaState[] = [];
    if (audioSecondsPerDay !== undefined)
      quotas.push({
        period: 'day',
        limit: audioSecondsPerDay,
        used: used(today),
        resetMs: Date.parse(today) + 86_400_000,
      });
    if (audioSecondsPerMonth !== undefined)
      quotas.push({
        period: 'month',
        limit: audioSecondsPerMonth,
        used: used(firstOfMonth),
        resetMs: startOfNextMonth(firstOfMonth),
      });
    return quotas;
  }

  function write(row: UsageRow): Promise<void> {
    return new Promise((settled) => {
      waiting.push({ row, settled });
      if (!syncing) writeAll();
    });
  }

  function writeAll(): void {
    clearTimeout(retry);
    if (waiting.length === 0) return;
    const group = waiting;
    try {
      const onDisk = store.addUsage(...group.map(({ row }) => row));
      waiting = [];
      failed = false;
      syncing = true;
      void onDisk.catch((error: unknown) => onUnwritten?.(error, group.length)).then(() => synced(group));
    } catch (error) {
      failed = true;
      onUnwritten?.(error, waiting.length);
      for (const { settled } of waiting) settled();
      retry = setTimeout(writeAll, RETRY_MS);
      retry.unref();
    }
  }

  function synced(group: readonly WaitingRow[]): void {
    syncing = false;
    for (const { settled } of group) settled();
    writeAll();
  }
}

function wholeNumbers<Row extends Pick<UsageRow, 'audioMs' | 'processingMs'>>(row: Row): Row {
  const whole = (value: number): number => Math.max(0, Math.round(value));
  return { ...row, audioMs: whole(row.audioMs), processingMs: whole(row.processingMs) };
}

function startOfNextMonth(firstOfMonth: string): number {
  const date = new Date(firstOfMonth);
  return date.setUTCMonth(date.getUTCMonth() + 1);
}

function exceeded(
  { period, limit, used, resetMs }: QuotaState,
  { heldMs, nowMs }: { readonly heldMs: number; readonly nowMs: number },
): QuotaExceededError {
  const running = heldMs > 0 ? `, and ${round(heldMs / 1000)} s are taken by requests that run now` : '';
  return new QuotaExceededError(
    `This key may transcribe ${limit} seconds of audio a ${period}: ${round(used)} s are used${running}, and this request needs ` +
      `more than is left. The ${period} ends ${new Date(resetMs).toISOString()}.`,
    Math.max(0, (resetMs - nowMs) / 1000),
  );
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
