import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelEntry } from './catalog.ts';
import { isModelId, type Manifest, modelFolder, modelIdOf, ownModelOf, readManifest } from './manifest.ts';

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
    .filter((id) => readManifest(modelFolder(modelsDir, id))?.id === id)
    .sort();
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
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts?.isFile() === true ? facts.size : undefined;
}

function folderNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
