import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AbortedError,
  InvalidRequestError,
  LicenceNotAcceptedError,
  ModelInUseError,
  OfflineError,
  StenographerError,
} from '../errors.ts';
import { bytesOf, type ModelEntry } from './catalog.ts';
import { createHubRequester, type HubOptions, type HubRequester } from './hub-request.ts';
import { type ImportRequest, importFiles } from './import.ts';
import { installFromHub } from './install.ts';
import {
  findInstalled,
  type InstalledModel,
  idsOnDisk,
  type ModelPlaces,
  ownModels,
  type UnreadablePlace,
  unreadablePlaces,
} from './installed.ts';
import { notInstalled, placeError, unknownModel } from './library-errors.ts';
import { MANIFEST_FILE, modelFolder } from './manifest.ts';
import { isHeld, type ModelLock, takeLock } from './model-lock.ts';
import { nearestNames } from './near-names.ts';
import { incomingBytes, oldVersionBytes, oldVersions, removeOldVersions } from './publish.ts';
import type { RetryPolicy } from './retry.ts';
import { SharedJobs } from './shared-jobs.ts';
import { type VerifyReport, verifyModel } from './verify.ts';

export interface ModelLibraryOptions extends ModelPlaces {
  readonly hub?: HubOptions;
  /** Nothing is fetched, whatever is asked. Default false. */
  readonly offline?: boolean;
  /** Disk space that a download leaves free. Default 0. */
  readonly diskReserveBytes?: number;
  /** Gives a model's memory back before its files go; false: it is in use. Default: it always may go. */
  readonly release?: (id: string) => Promise<boolean>;
  readonly retry?: RetryPolicy;
}

/** `waiting`: another process fetches the model. */
export interface PullProgress {
  readonly state: 'waiting' | 'downloading';
  readonly receivedBytes: number;
  readonly totalBytes: number;
  readonly file?: string;
}

export interface InstallOptions {
  readonly onProgress?: (progress: PullProgress) => void;
  /** Ends the download when nobody else waits for it; what was fetched is kept for the next. */
  readonly signal?: AbortSignal;
  /** Fetch it again although it is here. Default false. */
  readonly force?: boolean;
  /** The caller may use it under a licence that restricts its use. Default false. */
  readonly acceptLicence?: boolean;
}

/** Whether a model can be used or had. `damaged`: its files are missing or of another size; a pull or import mends it. */
export type ModelPresence = 'installed' | 'damaged' | 'downloading' | 'available';

export interface ImportedModel extends InstalledModel {
  /** Files of which no hash was known to compare with. */
  readonly unchecked: readonly string[];
}

/** The models on this machine: those of the package, and in the data folder those that were downloaded or imported. */
export interface ModelLibrary {
  /** The catalogue, and after it what somebody imported. */
  models(): readonly ModelEntry[];
  /** A model by id or catalogue alias. Throws `model_not_found` with names that are alike. */
  resolve(name: string): ModelEntry;
  /** All that can be used now. Looks at the disk, so that what another process pulls or removes counts at once. */
  installed(): readonly InstalledModel[];
  get(id: string): InstalledModel | undefined;
  isInstalled(id: string): boolean;
  /** Where the files are; ask whenever a process starts. Undefined: the model is not installed. */
  directoryOf(id: string): string | undefined;
  /** Downloads of other processes count too. */
  presenceOf(id: string): ModelPresence;
  progressOf(id: string): PullProgress | undefined;
  /**
   * Looks whether `install` would have work to do, without any connection: gives the model if not. Throws what would refuse it:
   * `model_not_found`, LicenceNotAcceptedError, OfflineError.
   */
  checkInstall(name: string, options?: InstallOptions): InstalledModel | undefined;
  /**
   * Fetches a model; with the newest version here already, does nothing. Calls at the same time, of other processes too, share one
   * download. Throws DownloadError, DownloadRefusedError, OfflineError, LicenceNotAcceptedError, ModelSpaceError, AbortedError.
   */
  install(name: string, options?: InstallOptions): Promise<InstalledModel>;
  /** Ids that have something installed in the data folder, whole or damaged. */
  idsOnDisk(): readonly string[];
  /** What of the data folder's models this process may not read: their models are not seen. */
  unreadable(): readonly UnreadablePlace[];
  /** Takes files from this machine. Throws InvalidRequestError and ModelImportError with what to do. */
  importModel(request: ImportRequest): Promise<ImportedModel>;
  /** Deletes a model and what is left of a download, which is ended. Throws ModelInUseError, `model_not_found`, InvalidRequestError. */
  remove(name: string): Promise<{ readonly id: string; readonly freedBytes: number }>;
  /** Reads all files of an installed model. Throws `model_not_found`. */
  verify(name: string, signal?: AbortSignal): Promise<VerifyReport>;
  /**
   * Deletes files of versions that newer ones have replaced: for a server at its start, before it has loaded any. Models that another
   * process is at work on are left alone.
   */
  removeOldVersions(): Promise<void>;
  /** Ends downloads; the next pull goes on with them. */
  close(): Promise<void>;
}

export function createModelLibrary(options: ModelLibraryOptions): ModelLibrary {
  const jobs = new SharedJobs<InstalledModel, PullProgress>();
  let requester: HubRequester | undefined;
  let closed = false;
  const folderOf = (id: string) => modelFolder(options.modelsDir, id);
  const lockOf = (id: string) => join(options.modelsDir, '.locks', `${id.replace('/', '%2F')}.lock`);
  const get = (id: string) => findInstalled(options, id);
  const models = () => [...options.models, ...ownModels(options)];

  function resolve(name: string): ModelEntry {
    const known = models();
    const found = known.find(({ id }) => id === name) ?? known.find(({ aliases }) => aliases.includes(name));
    if (found === undefined)
      throw unknownModel(
        name,
        nearestNames(
          name,
          known.flatMap(({ id, aliases }) => [id, ...aliases]),
        ),
      );
    return found;
  }

  function checkInstall(
    name: string,
    { force = false, acceptLicence = false }: InstallOptions = {},
  ): InstalledModel | undefined {
    const model = resolve(name);
    const there = get(model.id);
    if (there !== undefined && (there.origin === 'bundled' || !(force || there.outdated))) return there;
    if (model.source === undefined)
      throw new InvalidRequestError(
        'model',
        `The model '${model.id}' was imported: there is no place to fetch it from.`,
      );
    if (model.restriction !== undefined && !acceptLicence && there === undefined)
      throw new LicenceNotAcceptedError(model.id, model);
    if (options.offline === true) throw new OfflineError(model.id);
    return undefined;
  }

  async function fetchModel(
    model: ModelEntry,
    force: boolean,
    signal: AbortSignal,
    report: (progress: PullProgress) => void,
  ): Promise<InstalledModel> {
    const { source, id } = model;
    if (source === undefined) throw new Error(`${id} has no source`);
    const folder = folderOf(id);
    let waited = false;
    const lock = await takeLock(lockOf(id), {
      signal,
      onWait() {
        waited = true;
        report({ state: 'waiting', receivedBytes: incomingBytes(folder), totalBytes: bytesOf(model) });
      },
    });
    try {
      const there = get(id);
      // While this one waited, the other process has done it.
      if (there !== undefined && !there.outdated && (waited || !force)) return there;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      requester ??= createHubRequester(options.hub ?? {});
      await installFromHub(requester, {
        model,
        source,
        folder,
        signal,
        diskReserveBytes: options.diskReserveBytes ?? 0,
        retry: options.retry,
        onProgress: (progress) => report({ state: 'downloading', ...progress }),
      });
    } finally {
      await lock.release();
    }
    return installedOr(id);
  }

  function installedOr(id: string): InstalledModel {
    const there = get(id);
    if (there === undefined)
      throw new StenographerError(
        'model_damaged',
        `The files of '${id}' vanished while it was installed. Try again.`,
      );
    return there;
  }

  /** For what takes moments: waits for nobody. */
  async function lockNow(id: string): Promise<ModelLock> {
    const path = lockOf(id);
    if (isHeld(path))
      throw new StenographerError(
        'model_in_use',
        `Another process downloads or imports '${id}' now. Stop it, or try again when it is done.`,
        { param: 'model', retryAfterSecond: 30 },
      );
    return takeLock(path);
  }

  return {
    models,
    resolve,
    installed: () =>
      [...options.models.map(({ id }) => id), ...ownModels(options).map(({ id }) => id)].flatMap(
        (id) => get(id) ?? [],
      ),
    get,
    isInstalled: (id) => get(id) !== undefined,
    directoryOf: (id) => get(id)?.directory,
    presenceOf(id) {
      if (get(id) !== undefined) return 'installed';
      if (jobs.isRunning(id) || isHeld(lockOf(id))) return 'downloading';
      return idsOnDisk(options).includes(id) ? 'damaged' : 'available';
    },
    progressOf(id) {
      const own = jobs.progressOf(id);
      if (own !== undefined || jobs.isRunning(id) || !isHeld(lockOf(id))) return own;
      const model = models().find((known) => known.id === id);
      if (model === undefined) return undefined;
      return {
        state: 'downloading',
        receivedBytes: incomingBytes(folderOf(id)),
        totalBytes: bytesOf(model),
      };
    },
    idsOnDisk: () => idsOnDisk(options),
    unreadable: () => unreadablePlaces(options),
    checkInstall,
    async install(name, installOptions = {}) {
      const there = checkInstall(name, installOptions);
      if (there !== undefined) return there;
      if (closed) throw new AbortedError();
      const model = resolve(name);
      const { force = false } = installOptions;
      return jobs
        .run(model.id, (inner, report) => fetchModel(model, force, inner, report), installOptions)
        .catch((error: unknown) => {
          throw placeError(error);
        });
    },
    async importModel(request) {
      const { id, unchecked } = await importFiles(request, {
        models: options.models,
        ownIds: idsOnDisk(options),
        folderOf,
        diskReserveBytes: options.diskReserveBytes ?? 0,
        lock: lockNow,
      }).catch((error: unknown) => {
        throw placeError(error);
      });
      return { ...installedOr(id), unchecked };
    },
    async remove(name) {
      const id =
        models().some((model) => model.id === name) || idsOnDisk(options).includes(name)
          ? name
          : resolve(name).id;
      if (options.models.some((model) => model.id === id && model.bundled))
        throw new InvalidRequestError(
          'model',
          `The model '${id}' is part of the package and cannot be removed.`,
        );
      const wasFetched = jobs.isRunning(id);
      await jobs.abort(id);
      const folder = folderOf(id);
      const lock = await lockNow(id).catch((error: unknown) => {
        throw placeError(error);
      });
      try {
        const there = get(id);
        const freedBytes = (there?.sizeBytes ?? 0) + oldVersionBytes(folder) + incomingBytes(folder);
        if (there === undefined && freedBytes === 0 && !wasFetched && !idsOnDisk(options).includes(id))
          throw notInstalled(id);
        if (there !== undefined && (await options.release?.(id)) === false) throw new ModelInUseError(id);
        // The manifest first: from then on nobody takes the rest for a model.
        await rm(join(folder, MANIFEST_FILE), { force: true });
        await rm(folder, { recursive: true, force: true });
        return { id, freedBytes };
      } catch (error) {
        throw placeError(error);
      } finally {
        await lock.release();
      }
    },
    async verify(name, signal) {
      const id = idsOnDisk(options).includes(name) ? name : resolve(name).id;
      const report = await verifyModel(options, id, signal).catch((error: unknown) => {
        throw signal?.aborted === true ? new AbortedError(error) : error;
      });
      if (report === undefined) throw notInstalled(id);
      return report;
    },
    async removeOldVersions() {
      for (const id of idsOnDisk(options)) {
        if (oldVersions(folderOf(id)).length === 0 || isHeld(lockOf(id))) continue;
        const lock = await takeLock(lockOf(id));
        try {
          await removeOldVersions(folderOf(id));
        } finally {
          await lock.release();
        }
      }
    },
    async close() {
      closed = true;
      await jobs.abortAll();
      await requester?.close();
    },
  };
}
