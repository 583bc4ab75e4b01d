import { createHash, createHmac, randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../errors.ts';
import type { Store } from './store.ts';

/**
 * The secret that goes into every key's hash: who has only the database cannot even test a guess. In `pepper` beside the database,
 * mode 0600, made at the first use. Throws ConfigError when keys are stored that were hashed with another one.
 */
export function openPepper(dataDir: string, store: Store): Buffer {
  const path = join(dataDir, 'pepper');
  const known = store.pepperMark();
  const pepper = read(path) ?? (known === undefined ? create(path) : undefined);
  if (pepper === undefined || (known !== undefined && known !== markOf(pepper)))
    throw new ConfigError(
      `The file ${path} is ${pepper === undefined ? 'missing' : 'not the one'} that the stored keys were hashed with, so they ` +
        'cannot be checked. Restore it together with the store, or move both away and create new keys.',
    );
  if (known === undefined) store.setPepperMark(markOf(pepper));
  return pepper;
}

/** SHA-256 of a text, keyed with the pepper, in hexadecimal digits. */
export function hashWithPepper(pepper: Buffer, text: string): string {
  return createHmac('sha256', pepper).update(text, 'utf8').digest('hex');
}

function read(path: string): Buffer | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigError(`The file ${path} cannot be read: ${(error as Error).message}`);
  }
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new ConfigError(`The file ${path} is damaged: it must hold 64 hexadecimal digits. Restore it.`);
  return Buffer.from(text, 'hex');
}

/** Appears under its name only when whole; of two processes that make one, the first wins. */
function create(path: string): Buffer {
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flush: true });
  try {
    linkSync(part, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(part, { force: true });
  }
  const made = read(path);
  if (made === undefined) throw new ConfigError(`The file ${path} could not be made.`);
  return made;
}

function markOf(pepper: Buffer): string {
  return createHash('sha256').update('stenographer pepper mark').update(pepper).digest('hex');
}
