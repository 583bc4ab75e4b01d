import { constants } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AbortedError, StenographerError } from '../errors.ts';
import type { ModelEntry } from './catalog.ts';
import { differenceFrom, type FileDigest, FileHasher } from './file-check.ts';
import { wrongKind, wrongNetwork } from './file-magic.ts';
import { ModelImportError } from './import-error.ts';
import { type ImportedFile, listImportFiles } from './import-files.ts';
import { chooseModel, type Match } from './import-match.ts';
import type { InstalledFile } from './manifest.ts';
import type { ModelLock } from './model-lock.ts';
import { describeOwnModel, type OwnModelFacts } from './own-model.ts';
import { INCOMING, publishVersion, requireSpace } from './publish.ts';

export interface ImportRequest extends OwnModelFacts {
  /** A file, or a folder with the files of one model: as downloaded, or as the publisher's repository has them. */
  readonly path: string;
  /** Which model of the catalogue it is, where the files alone do not tell; or the id of a model of one's own. */
  readonly as?: string | undefined;
  readonly onProgress?: (progress: {
    readonly file: string;
    readonly receivedBytes: number;
    readonly totalBytes: number;
  }) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface ImportPlaces {
  readonly models: readonly ModelEntry[];
  /** Ids of what is installed, the catalogue's and others. */
  readonly ownIds: readonly string[];
  readonly folderOf: (id: string) => string;
  readonly lock: (id: string) => Promise<ModelLock>;
  readonly diskReserveBytes: number;
}

/** What was imported, and which of its files there was no hash to compare with. */
export interface Imported {
  readonly id: string;
  readonly unchecked: readonly string[];
}

/**
 * Copies a model from this machine into the data folder. The files are hashed while they are copied and compared with
 * what the catalogue knows. Links are not followed. Throws ModelImportError with what to do.
 */
export async function importFiles(request: ImportRequest, places: ImportPlaces): Promise<Imported> {
  const found = await listImportFiles(request.path);
  const { model, files } = await identify(request, found, places);
  const folder = places.folderOf(model.id);
  const lock = await places.lock(model.id);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const installed = await copyModel({ request, places, folder, model, files });
    const unchecked = installed.filter(({ checkedAgainst }) => checkedAgainst === 'nothing');
    return { id: model.id, unchecked: unchecked.map(({ name }) => name) };
  } finally {
    await lock.release();
  }
}

interface Identified extends Match {
  /** Whether the catalogue knows it. */
  readonly isOwn?: boolean;
}

async function identify(
  request: ImportRequest,
  found: readonly ImportedFile[],
  { models, ownIds }: ImportPlaces,
): Promise<Identified> {
  const { as } = request;
  const known =
    as === undefined ? undefined : models.find(({ id, aliases }) => id === as || aliases.includes(as));
  if (as !== undefined && known === undefined)
    return describeOwnModel(as, request, found, { models, ownIds });
  if (known?.bundled === true)
    throw new ModelImportError(`the model '${known.id}' is part of the package and needs no import.`);
  return chooseModel(found, known === undefined ? models : [known], { named: known !== undefined });
}

interface CopyTask extends Match {
  readonly request: ImportRequest;
  readonly places: ImportPlaces;
  readonly folder: string;
}

async function copyModel({ request, places, folder, model, files }: CopyTask): Promise<InstalledFile[]> {
  const totalBytes = files.reduce((sum, { source }) => sum + source.sizeBytes, 0);
  await requireSpace(folder, totalBytes, places.diskReserveBytes);
  const incoming = join(folder, `${INCOMING}import-${process.pid}`);
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming, { mode: 0o700 });
  try {
    const installed: InstalledFile[] = [];
    let before = 0;
    for (const { file, source } of files) {
      const digest = await copyFile(
        source,
        join(incoming, file.name),
        file,
        (bytes) => request.onProgress?.({ file: file.name, receivedBytes: before + bytes, totalBytes }),
        request.signal,
      );
      before += digest.sizeBytes;
      const trouble = differenceFrom(file, digest) ?? (await troubleOf(join(incoming, file.name), model));
      if (trouble !== undefined)
        throw new ModelImportError(
          `${source.relativePath} is not the ${file.name} of ${model.id}: ${trouble}.`,
        );
      installed.push({
        name: file.name,
        sizeBytes: digest.sizeBytes,
        sha256: digest.sha256,
        checkedAgainst: file.sha256 === undefined && file.sha1 === undefined ? 'nothing' : 'catalogue',
      });
    }
    const isKnown = places.models.some(({ id }) => id === model.id);
    await publishVersion(folder, incoming, {
      id: model.id,
      origin: 'import',
      files: installed,
      ...(isKnown ? {} : { model }),
    });
    return installed;
  } catch (error) {
    await rm(incoming, { recursive: true, force: true });
    throw error;
  }
}

/** What shows that a file cannot be one of the model. */
async function troubleOf(path: string, { engine, architecture }: ModelEntry): Promise<string | undefined> {
  const name = basename(path);
  const trouble = await wrongKind(path, name);
  const isNetwork = engine === 'whisper-cpp' && /\.(bin|ggml)$/i.test(name);
  if (trouble !== undefined || !isNetwork || architecture === undefined) return trouble;
  return wrongNetwork(path, name, architecture);
}

/** Copies and hashes in one go, so that what was hashed is what is kept. */
async function copyFile(
  source: ImportedFile,
  path: string,
  wanted: { readonly sha1?: string | undefined },
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<FileDigest> {
  const from = await open(source.path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch(
    (error: unknown) => {
      throw new ModelImportError(
        `${source.relativePath} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
        error,
      );
    },
  );
  try {
    const to = await open(path, 'wx', 0o600);
    try {
      const hasher = new FileHasher({ sha1: wanted.sha1 });
      const buffer = Buffer.alloc(1024 * 1024);
      while (true) {
        if (signal?.aborted === true) throw new AbortedError(signal.reason);
        const { bytesRead } = await from.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) break;
        const piece = buffer.subarray(0, bytesRead);
        await to.appendFile(piece);
        hasher.update(piece);
        onBytes(hasher.sizeBytes);
      }
      await to.sync();
      return hasher.digest();
    } finally {
      await to.close();
    }
  } catch (error) {
    if (error instanceof StenographerError || (error as NodeJS.ErrnoException).code === 'ENOSPC') throw error;
    throw new ModelImportError(
      `${source.relativePath} cannot be copied (${(error as Error).message}).`,
      error,
    );
  } finally {
    await from.close();
  }
}
