import { chooseLimits, createKeyRing, type KeyRing } from './key-ring.ts';
import { createRateWindow, type RateWindow } from './rate-window.ts';
import type { KeyLimits, Store } from './store.ts';
import { createUsageMeter, type UsageMeter } from './usage-meter.ts';

/** Who may do how much, and what was done. */
export interface Accounts {
  readonly store: Store;
  readonly keys: KeyRing;
  readonly usage: UsageMeter;
  /** Transcriptions a minute, by key id. */
  readonly requestRate: RateWindow;
  /** Unknown keys a minute, by address. */
  readonly failedKeys: RateWindow;
  /** What applies to a caller without a key, on a server that has none. */
  readonly limits: KeyLimits;
  close(): void;
}

export interface AccountsOptions {
  readonly store: Store;
  readonly pepper: Buffer;
  /** Keys of the settings and of the key file. */
  readonly configuredKeys: readonly string[];
  /** For keys without limits of their own; 0 is none. */
  readonly limits: KeyLimits;
  /** Length of the rate windows; default a minute. */
  readonly windowSeconds?: number;
  readonly onUnwritten?: (error: unknown, rows: number) => void;
}

/** Wires keys, limits and usage over one store, and closes it with them. */
export function createAccounts(options: AccountsOptions): Accounts {
  const { store, pepper, configuredKeys, limits, windowSeconds, onUnwritten } = options;
  const usage = createUsageMeter({ store, ...(onUnwritten === undefined ? {} : { onUnwritten }) });
  return {
    store,
    keys: createKeyRing({ configured: configuredKeys, store, pepper, limits }),
    usage,
    requestRate: createRateWindow(windowSeconds),
    failedKeys: createRateWindow(windowSeconds),
    limits: chooseLimits({}, limits),
    close() {
      usage.close();
      store.close();
    },
  };
}
