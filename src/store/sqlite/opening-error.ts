import { ConfigError } from '../../errors.ts';

const RESTORE =
  'Restore a copy of it, or move it away to start with an empty one; keys and usage are then lost.';

/** SQLite's result codes, https://www.sqlite.org/rescode.html, in words for the operator. */
const BY_RESULT_CODE: Readonly<Record<number, string>> = {
  5: 'another program keeps it locked. Is it being copied or repaired?',
  8: 'it cannot be written. Check the owner and the rights of the folder of STENO_DATA_DIR.',
  10: 'the disk reports an error.',
  11: `it is damaged. ${RESTORE}`,
  13: 'the disk is full.',
  14: 'it cannot be opened. Check the owner and the rights of the folder of STENO_DATA_DIR.',
  26: `it is damaged or no database at all. ${RESTORE}`,
};

const BY_SYSTEM_CODE: Readonly<Record<string, string>> = {
  EACCES: BY_RESULT_CODE[14] ?? '',
  EPERM: 'it belongs to another user. Set STENO_DATA_DIR to a folder of your own.',
  EROFS: 'the disk is mounted read-only.',
  ENOSPC: 'the disk is full.',
  ENOTDIR: 'STENO_DATA_DIR names a file, not a folder.',
  EISDIR: 'it is a folder.',
};

/** A store that cannot be opened: which file, why, and what to do. */
export function openingError(path: string, error: unknown): ConfigError {
  const { errcode = -1, code = '' } = error as { errcode?: number; code?: string };
  // Extended codes carry the primary one in their lowest byte.
  const reason =
    BY_RESULT_CODE[errcode & 0xff] ??
    BY_SYSTEM_CODE[code] ??
    `${error instanceof Error ? error.message : String(error)}.`;
  return new ConfigError(`The store ${path} cannot be used: ${reason}`);
}
