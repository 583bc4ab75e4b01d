import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelEntry } from './catalog.ts';
import {
  hasManifest,
  isModelId,
  MANIFEST_FILE,
  type Manifest,
  modelFolder,
  modelIdOf,
  ownModelOf,
  readManifest,
} from './manifest.ts';

export interface ModelPlaces {
  /** The catalogue. */
  readonly models: readonly ModelEntry[];
  /** The folder of the models that come with the package. */
  readonly bundledDir: string;
  /** `<dataDir>/models`. */
  readonly modelsDir: string;
}

/** A model whose files are on this machine. */
export interface InstalledModel {
  /** From the catalogue, or from its own manifest when somebody imported a model of their own. */
  readonly entry: ModelEntry;
  /** Holds the entry's files under their names. A new version lies elsewhere: ask again whenever a process starts. */
  readonly directory: string;
  readonly origin: 'bundled' | 'download' | 'import';
  readonly sizeBytes: number;
  /** ISO 8601; absent for bundled models. */
  readonly installedAt?: string;
  readonly repo?: string;
  readonly revision?: string;
  /** The catalogue names other files than these: `pull` fetches those. */
  readonly outdated: boolean;
}

/** Looks at the disk. Undefined for a model that is not here, or whose files are missing or of another size than they had. */
export function findInstalled(places: ModelPlaces, id: string): InstalledModel | undefined {
  const known = places.models.find((model) => model.id === id);
  if (known?.bundled === true) return bundledModel(places, known);
  if (!isModelId(id)) return undefined;
  const folder = modelFolder(places.modelsDir, id);
  const manifest = readManifest(folder);
  if (manifest === undefined || manifest.id !== id) return undefined;
  const entry = known ?? ownModelOf(manifest);
  const directory = join(folder, manifest.version);
  if (entry === undefined || !hasFiles(entry, manifest, directory)) return undefined;
  return {
    entry,
    directory,
    origin: manifest.origin,
    sizeBytes: manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    installedAt: manifest.installedAt,
    ...(manifest.source === undefined
      ? {}
      : { repo: manifest.source.repo, revision: manifest.source.revision }),
    outdated: isOutdated(entry, manifest),
  };
}

/** Ids that have a manifest, whole or not. */
export function idsOnDisk({ modelsDir }: ModelPlaces): string[] {
  return folderNames(modelsDir)
    .flatMap((name) => modelIdOf(name) ?? [])
    .filter((id) => {
      const folder = modelFolder(modelsDir, id);
      const manifest = readManifest(folder);
      return manifest === undefined ? hasManifest(folder) : manifest.id === id;
    })
    .sort();
}

/** Something in the models' folder that is there and that this user may not read, as after a pull by root. */
export interface UnreadablePlace {
  readonly path: string;
  /** Of the system: EACCES and the like. */
  readonly code: string;
}

/** What of the models' folder is closed to this process, so that models in it are not seen. */
export function unreadablePlaces({ modelsDir }: ModelPlaces): UnreadablePlace[] {
  const whole = closedTo(modelsDir, constants.R_OK | constants.X_OK);
  if (whole !== undefined) return [whole];
  return folderNames(modelsDir).flatMap((name) => {
    if (modelIdOf(name) === undefined) return [];
    const folder = join(modelsDir, name);
    return (
      closedTo(folder, constants.R_OK | constants.X_OK) ??
      closedTo(join(folder, MANIFEST_FILE), constants.R_OK) ??
      []
    );
  });
}

function closedTo(path: string, mode: number): UnreadablePlace | undefined {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code);
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : { path, code };
  }
}

/** Models that somebody imported and the catalogue does not know. */
export function ownModels(places: ModelPlaces): ModelEntry[] {
  return idsOnDisk(places).flatMap((id) => {
    if (places.models.some((model) => model.id === id)) return [];
    return findInstalled(places, id)?.entry ?? [];
  });
}

function bundledModel({ bundledDir }: ModelPlaces, entry: ModelEntry): InstalledModel | undefined {
  const directory = join(bundledDir, entry.id);
  if (!entry.files.every((file) => sizeOf(join(directory, file.name)) === file.sizeBytes)) return undefined;
  return {
    entry,
    directory,
    origin: 'bundled',
    sizeBytes: entry.files.reduce((sum, file) => sum + (file.sizeBytes ?? 0), 0),
    outdated: false,
  };
}

function hasFiles(entry: ModelEntry, { files }: Manifest, directory: string): boolean {
  return (
    entry.files.every(({ name }) => files.some((file) => file.name === name)) &&
    files.every(({ name, sizeBytes }) => sizeOf(join(directory, name)) === sizeBytes)
  );
}

/** Whether the catalogue names other files than those that are installed. */
export function isOutdated(entry: ModelEntry, { files }: Manifest): boolean {
  return entry.files.some(({ name, sizeBytes, sha256 }) => {
    const file = files.find((installed) => installed.name === name);
    return (
      (sha256 !== undefined && file?.sha256 !== sha256) ||
      (sizeBytes !== undefined && file?.sizeBytes !== sizeBytes)
    );
  });
}

function sizeOf(path: string): number | undefined {
  try {
    const facts = statSync(path, { throwIfNoEntry: false });
    return facts?.isFile() === true ? facts.size : undefined;
  } catch {
    return undefined;
  }
}

function folderNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
