import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelSpaceError } from '../errors.ts';
import { MANIFEST_FILE, type Manifest, readManifest, syncFolder, writeManifest } from './manifest.ts';

/** Files on the way into a model's folder; a folder that begins so is never served from. */
export const INCOMING = 'incoming-';

/**
 * Makes a folder of checked files the model: gives it its last name and then writes the manifest, the one step that counts. Until
 * then the version before serves. Its files stay: a process may be loading them now, or start again from them when it dies. They go
 * with {@link removeOldVersions} or the next version; other rests are removed at once.
 */
export async function publishVersion(
  folder: string,
  incoming: string,
  facts: Omit<Manifest, 'format' | 'version' | 'installedAt'>,
): Promise<void> {
  await syncFolder(incoming);
  const before = readManifest(folder)?.version;
  const version = `v${Date.now().toString(36)}-${randomBytes(4).toString('hex')}`;
  await rename(incoming, join(folder, version));
  await syncFolder(folder);
  await writeManifest(folder, { format: 1, ...facts, version, installedAt: new Date().toISOString() });
  await sweepFolder(folder, before === undefined ? [version] : [version, before]);
}

/** Folders of versions that are no longer the model. */
export function oldVersions(folder: string): string[] {
  const current = readManifest(folder)?.version;
  return namesIn(folder).filter((name) => current !== undefined && isVersion(name) && name !== current);
}

/** For the holder of the model's lock, when no process has or loads a version but the newest. */
export async function removeOldVersions(folder: string): Promise<void> {
  for (const name of oldVersions(folder)) await removeTree(join(folder, name));
}

/** Removes what is neither the manifest nor one of these. */
async function sweepFolder(folder: string, keep: readonly string[]): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (name !== MANIFEST_FILE && !keep.includes(name)) await removeTree(join(folder, name));
}

/** What another program holds open on Windows is left for the next time. */
async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

function isVersion(name: string): boolean {
  return /^v[0-9a-z]+-[0-9a-f]{8}$/.test(name);
}

/** Throws ModelSpaceError when the disk would have less than the reserve left. */
export async function requireSpace(folder: string, neededBytes: number, reserveBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes + reserveBytes) return;
  throw new ModelSpaceError(
    `${mebibytes(neededBytes)} MiB are needed, and ${mebibytes(reserveBytes)} MiB must stay free (STENO_DISK_RESERVE_BYTES), but ${Math.floor(freeBytes / 1024 / 1024)} MiB are free in the data folder.`,
  );
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}

/** Bytes of downloads that are not finished. */
export function incomingBytes(folder: string): number {
  return bytesInFolders(
    folder,
    namesIn(folder).filter((name) => name.startsWith(INCOMING)),
  );
}

/** Bytes of versions that are no longer the model. */
export function oldVersionBytes(folder: string): number {
  return bytesInFolders(folder, oldVersions(folder));
}

function bytesInFolders(folder: string, names: readonly string[]): number {
  return names
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
