import { timingSafeEqual } from 'node:crypto';
import { hashWithPepper } from './pepper.ts';
import type { KeyLimits, KeyRow, Scope, Store } from './store.ts';

/** Who calls: `id` is safe to log and groups the key's requests; the key itself is not kept. */
export interface Caller {
  readonly id: string;
  readonly scope: Scope;
  /** What applies to this key: its own limits, else those for all. */
  readonly limits: KeyLimits;
}

export interface KeyRing {
  /**
   * False while no key was ever configured or stored: then every request is let in. Revoking the last key does not open the server
   * again.
   */
  readonly required: boolean;
  /**
   * The caller of a presented key, or undefined when it is not on the ring. A key that another process has revoked is unknown from
   * the moment its transaction ends. Throws StoreError when stored keys cannot be read.
   */
  authenticate(key: string): Caller | undefined;
}

export interface KeyRingOptions {
  /** Keys of the settings and of the key file; they are users. */
  readonly configured: readonly string[];
  readonly store: Store;
  readonly pepper: Buffer;
  /** Limits of keys that have none of their own; 0 is none. */
  readonly limits?: KeyLimits;
}

interface Entry {
  readonly digest: Buffer;
  readonly caller: Caller;
}

/**
 * Looks keys up by peppered hash: how far a guess agrees with a real key has no influence on where or how long is searched. Stored
 * keys are held in memory and read again when the store says that they changed.
 */
export function createKeyRing({ configured, store, pepper, limits = {} }: KeyRingOptions): KeyRing {
  const fixed = new Map(configured.map((key) => configuredEntry(key, pepper, limits)));
  let stored = new Map<string, Entry>();
  let version: string | undefined;
  let everStored = false;

  return {
    get required() {
      try {
        refresh();
      } catch {
        // What was known before still holds; keys are never deleted.
      }
      return fixed.size > 0 || everStored;
    },
    authenticate(key) {
      const hash = hashWithPepper(pepper, key);
      const entry = fixed.get(hash) ?? refresh().get(hash);
      const digest = Buffer.from(hash, 'hex');
      return entry !== undefined && timingSafeEqual(entry.digest, digest) ? entry.caller : undefined;
    },
  };

  function refresh(): Map<string, Entry> {
    const current = store.keysVersion();
    if (current === version) return stored;
    const rows = store.listKeys();
    stored = new Map(
      rows.filter((row) => row.revokedMs === undefined).map((row) => storedEntry(row, limits)),
    );
    everStored ||= rows.length > 0;
    version = current;
    return stored;
  }
}

/** The same id on every start, without saying anything about the key to a reader of logs. */
function configuredEntry(key: string, pepper: Buffer, limits: KeyLimits): [string, Entry] {
  const hash = hashWithPepper(pepper, key);
  const id = `key_${hashWithPepper(pepper, `id of ${key}`).slice(0, 12)}`;
  return [
    hash,
    { digest: Buffer.from(hash, 'hex'), caller: { id, scope: 'user', limits: chooseLimits({}, limits) } },
  ];
}

function storedEntry(row: KeyRow, limits: KeyLimits): [string, Entry] {
  const caller = { id: row.id, scope: row.scope, limits: chooseLimits(row, limits) };
  return [row.hash, { digest: Buffer.from(row.hash, 'hex'), caller }];
}

/** A key's own limit, else the one for all; 0 lifts it. */
export function chooseLimits(own: KeyLimits, forAll: KeyLimits): KeyLimits {
  return {
    requestsPerMinute: (own.requestsPerMinute ?? forAll.requestsPerMinute) || undefined,
    audioSecondsPerDay: (own.audioSecondsPerDay ?? forAll.audioSecondsPerDay) || undefined,
    audioSecondsPerMonth: (own.audioSecondsPerMonth ?? forAll.audioSecondsPerMonth) || undefined,
  };
}
