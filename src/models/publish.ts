import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelSpaceError } from '../errors.ts';
import { MANIFEST_FILE, type Manifest, syncFolder, writeManifest } from './manifest.ts';

/** Files on the way into a model's folder; a folder that begins so is never served from. */
export const INCOMING = 'incoming-';

/**
 * Makes a folder of checked files the model: gives it its last name and then writes the manifest, the one step that counts. Until
 * then the version before serves; afterwards its files and other rests are removed (a process that has them open keeps them).
 */
export async function publishVersion(
  folder: string,
  incoming: string,
  facts: Omit<Manifest, 'format' | 'version' | 'installedAt'>,
): Promise<void> {
  await syncFolder(incoming);
  const version = `v${Date.now().toString(36)}-${randomBytes(4).toString('hex')}`;
  await rename(incoming, join(folder, version));
  await syncFolder(folder);
  await writeManifest(folder, { format: 1, ...facts, version, installedAt: new Date().toISOString() });
  await sweepFolder(folder, [version]);
}

/** Removes what is neither the manifest nor one of these. What another program holds open on Windows is left for the next time. */
export async function sweepFolder(folder: string, keep: readonly string[]): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (name !== MANIFEST_FILE && !keep.includes(name))
      await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
}

/** Throws ModelSpaceError when the disk would have less than the reserve left. */
export async function requireSpace(folder: string, neededBytes: number, reserveBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes + reserveBytes) return;
  throw new ModelSpaceError(
    `${mebibytes(neededBytes)} MiB are needed, and ${mebibytes(reserveBytes)} MiB must stay free (STENO_DISK_RESERVE_BYTES), but ${mebibytes(freeBytes)} MiB are free in the data folder.`,
  );
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}

/** Bytes of downloads that are not finished. */
export function incomingBytes(folder: string): number {
  return namesIn(folder)
    .filter((name) => name.startsWith(INCOMING))
    .flatMap((name) => namesIn(join(folder, name)).map((file) => join(folder, name, file)))
    .reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
