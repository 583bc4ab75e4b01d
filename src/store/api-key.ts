import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { hashWithPepper } from './pepper.ts';
import type { KeyLimits, KeyRow, Scope, Store } from './store.ts';

/** Lets scanners for leaked secrets, and people, know what they see. */
const PREFIX = 'steno_';
const SECRET_BYTES = 32;
/** Digits that hold 256 bits and 32 bits in base 62. */
const SECRET_DIGITS = 43;
const CHECKSUM_DIGITS = 6;

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A new key: prefix, 256 random bits, CRC-32 of both. Letters and digits only, so that a double click takes the whole of it. */
export function generateApiKey(): string {
  const body = PREFIX + toBase62(BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`), SECRET_DIGITS);
  return body + checksum(body);
}

/** `complete`: has the form of our keys, which nobody can guess. `damaged`: was meant to be one. `foreign`: something else. */
export function keyForm(text: string): 'complete' | 'damaged' | 'foreign' {
  if (!text.startsWith(PREFIX)) return 'foreign';
  const body = text.slice(0, -CHECKSUM_DIGITS);
  const whole = text.length === PREFIX.length + SECRET_DIGITS + CHECKSUM_DIGITS;
  return whole && checksum(body) === text.slice(-CHECKSUM_DIGITS) ? 'complete' : 'damaged';
}

export interface NewKey {
  readonly name: string;
  readonly scope: Scope;
  readonly limits?: KeyLimits;
}

/** Stores a new key and gives it: the only moment at which it can be seen. */
export function createStoredKey(
  { name, scope, limits }: NewKey,
  { store, pepper }: { readonly store: Store; readonly pepper: Buffer },
): { readonly key: string; readonly row: KeyRow } {
  const key = generateApiKey();
  const id = `key_${randomBytes(6).toString('hex')}`;
  const row = { id, name, scope, hash: hashWithPepper(pepper, key), createdMs: Date.now(), ...limits };
  store.insertKey(row);
  return { key, row };
}

function checksum(text: string): string {
  return toBase62(BigInt(crc32(text)), CHECKSUM_DIGITS);
}

function toBase62(value: bigint, digits: number): string {
  let text = '';
  for (let rest = value; text.length < digits; rest /= 62n) text = DIGITS[Number(rest % 62n)] + text;
  return text;
}
