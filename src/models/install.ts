import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelEntry, ModelFile, ModelSource } from './catalog.ts';
import { downloadFile } from './download.ts';
import { DownloadRefusedError } from './download-error.ts';
import { differenceFrom, digestFile, type FileDigest } from './file-check.ts';
import { wrongKind } from './file-magic.ts';
import { type HubFile, hubFiles } from './hub.ts';
import type { HubRequester } from './hub-request.ts';
import type { InstalledFile } from './manifest.ts';
import { INCOMING, publishVersion, requireSpace } from './publish.ts';
import type { RetryPolicy } from './retry.ts';

export interface InstallTask {
  readonly model: ModelEntry;
  readonly source: ModelSource;
  /** The model's own folder. */
  readonly folder: string;
  readonly diskReserveBytes: number;
  readonly signal: AbortSignal;
  readonly retry?: RetryPolicy | undefined;
  readonly onProgress: (progress: InstallProgress) => void;
}

export interface InstallProgress {
  readonly file: string;
  /** Of the whole model. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

/**
 * Fetches a model's files, each checked, and makes them the installed version at the end. What was fetched before it failed stays for
 * the next attempt. The caller holds the model's lock.
 */
export async function installFromHub(requester: HubRequester, task: InstallTask): Promise<void> {
  const plan = await planFiles(requester, task);
  const incoming = join(task.folder, INCOMING + fingerprint(task, plan));
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  await removeOtherIncoming(task.folder, incoming);
  const totalBytes = sum(plan);
  await requireSpace(task.folder, totalBytes - (await bytesIn(incoming)), task.diskReserveBytes);
  const files: InstalledFile[] = [];
  for (const [index, planned] of plan.entries()) {
    const before = sum(plan.slice(0, index));
    const digest = await fetchFile(requester, task, incoming, planned, (received) =>
      task.onProgress({ file: planned.file.name, receivedBytes: before + received, totalBytes }),
    );
    files.push({
      name: planned.file.name,
      sizeBytes: digest.sizeBytes,
      sha256: digest.sha256,
      checkedAgainst:
        planned.file.sha256 === undefined && planned.file.sha1 === undefined ? 'hub' : 'catalogue',
    });
  }
  task.signal.throwIfAborted();
  await publishVersion(task.folder, incoming, {
    id: task.model.id,
    origin: 'download',
    source: { endpoint: requester.endpoint.href, repo: task.source.repo, revision: task.source.revision },
    files,
  });
}

interface PlannedFile {
  readonly file: ModelFile;
  readonly expected: HubFile;
}

/** What each file must be. The hub is asked where the catalogue does not know size and hash; where both know, they must agree. */
async function planFiles(requester: HubRequester, task: InstallTask): Promise<PlannedFile[]> {
  const { files } = task.model;
  const known = files.flatMap((file) =>
    file.sizeBytes === undefined || file.sha256 === undefined
      ? []
      : [{ file, expected: { sizeBytes: file.sizeBytes, sha256: file.sha256, sha1: file.sha1 } }],
  );
  if (known.length === files.length) return known;
  const reported = await hubFiles(requester, task.source, files.map(pathOf), task);
  return files.map((file, index) => {
    const listed = reported[index];
    if (listed === undefined) throw new Error(`the hub's answer lacks ${file.name}`);
    const { sha256, sizeBytes } = file;
    const difference = differenceFrom(
      { sizeBytes, sha256: listed.sha256 === undefined ? undefined : sha256 },
      { sizeBytes: listed.sizeBytes, sha256: listed.sha256 ?? '' },
    );
    if (difference !== undefined)
      throw new DownloadRefusedError(
        `${requester.endpoint.host} has another ${file.name} in ${task.source.repo} than the catalogue knows: ${difference}. It was not taken.`,
      );
    return {
      file,
      expected: { ...listed, sha256: sha256 ?? listed.sha256, sha1: file.sha1 },
    };
  });
}

async function fetchFile(
  requester: HubRequester,
  task: InstallTask,
  incoming: string,
  { file, expected }: PlannedFile,
  onProgress: (receivedBytes: number) => void,
): Promise<FileDigest> {
  const path = join(incoming, file.name);
  const there = await checkedBefore(path, expected, task.signal);
  if (there !== undefined) {
    onProgress(there.sizeBytes);
    return there;
  }
  const digest = await downloadFile(
    requester,
    { url: urlOf(requester.endpoint, task.source, file), path, name: file.name, expected },
    { signal: task.signal, retry: task.retry, onProgress },
  );
  const trouble = await wrongKind(path, file.name);
  if (trouble === undefined) return digest;
  await rm(path);
  throw new DownloadRefusedError(`${requester.endpoint.host} sent no model: ${trouble}. It was deleted.`);
}

/** A file of an attempt that was ended between two files. It is hashed again: the disk may have lost bytes since. */
async function checkedBefore(
  path: string,
  expected: HubFile,
  signal: AbortSignal,
): Promise<FileDigest | undefined> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined) return undefined;
  const digest = await digestFile(path, expected, signal);
  if (differenceFrom(expected, digest) === undefined) return digest;
  await rm(path);
  return undefined;
}

function urlOf(endpoint: URL, { repo, revision }: ModelSource, file: ModelFile): string {
  const path = pathOf(file).split('/').map(encodeURIComponent).join('/');
  return `${endpoint.href.replace(/\/+$/, '')}/${repo}/resolve/${encodeURIComponent(revision)}/${path}`;
}

function pathOf({ name, path = name }: ModelFile): string {
  return path;
}

/** What is resumed must be of the same files at the same revision. */
function fingerprint({ source }: InstallTask, plan: readonly PlannedFile[]): string {
  const facts = [source.repo, source.revision, ...plan.map(({ file, expected }) => [file.name, expected])];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

async function removeOtherIncoming(folder: string, current: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.startsWith(INCOMING) && path !== current) await rm(path, { recursive: true, force: true });
  }
}

/** Bytes of whole and begun files in a folder. */
export async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0),
  );
  return sizes.reduce((total, size) => total + size, 0);
}

function sum(plan: readonly PlannedFile[]): number {
  return plan.reduce((total, { expected }) => total + expected.sizeBytes, 0);
}
