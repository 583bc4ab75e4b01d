import { createHash, timingSafeEqual } from 'node:crypto';

/** Who calls: `id` is safe to log and groups the key's requests; the key itself is not kept. */
export interface Caller {
  readonly id: string;
}

export interface KeyRing {
  /** False when no key is configured: then every request is let in. */
  readonly required: boolean;
  /** The caller of a presented key, or undefined when it is not on the ring. Takes the same time whatever the key. */
  authenticate(key: string): Caller | undefined;
}

/** Holds SHA-256 digests only; comparison runs over all of them in constant time. */
export function createKeyRing(keys: readonly string[]): KeyRing {
  const digests = [...new Set(keys)].map((key) => ({
    digest: sha256(key),
    id: `key_${sha256(key).toString('hex').slice(0, 12)}`,
  }));
  return {
    required: digests.length > 0,
    authenticate(key) {
      const presented = sha256(key);
      let found: Caller | undefined;
      for (const entry of digests) if (timingSafeEqual(entry.digest, presented)) found = { id: entry.id };
      return found;
    },
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
