import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AbortedError, ModelSpaceError } from '../errors.ts';
import { DownloadError, DownloadRefusedError } from './download-error.ts';
import { differenceFrom, type FileDigest, FileHasher } from './file-check.ts';
import { type HubFile, statusError } from './hub.ts';
import type { HubRequester, HubResponse } from './hub-request.ts';
import { DEFAULT_RETRY, RetryBudget, type RetryPolicy } from './retry.ts';

export interface DownloadTask {
  readonly url: string;
  /** Where the whole, checked file appears; `<path>.incomplete` until then. */
  readonly path: string;
  /** For messages. */
  readonly name: string;
  /** Its size and at least one hash: what is resumed and installed is known by them alone. */
  readonly expected: HubFile;
}

export interface DownloadOptions {
  /** Bytes of the file that are on disk. */
  readonly onProgress?: ((receivedBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly retry?: RetryPolicy | undefined;
}

/**
 * Fetches one file. What an earlier attempt left is continued; a connection that breaks is taken up again. The file appears under its
 * name when size and hashes are right. Throws DownloadRefusedError for other bytes than announced, which are deleted; DownloadError
 * when the hub does not give it, and AbortedError: then what is there stays for the next attempt.
 */
export async function downloadFile(
  requester: HubRequester,
  task: DownloadTask,
  options: DownloadOptions = {},
): Promise<FileDigest> {
  await mkdir(dirname(task.path), { recursive: true, mode: 0o700 });
  const part = await openPart(task, options);
  try {
    while (true) {
      await receiveWhole(requester, task, part, options);
      const digest = part.hasher.digest();
      const difference = differenceFrom(task.expected, digest);
      if (difference === undefined) {
        await part.file.sync();
        await rename(part.path, task.path);
        return digest;
      }
      const wasResumed = part.resumed;
      await restart(part, task);
      // What lay here from an earlier process may be the wrong half: one attempt from the beginning tells.
      if (!wasResumed)
        throw new DownloadRefusedError(
          `${requester.endpoint.host} sent another ${task.name} than it should: ${difference}. It was deleted. Try again later, or check HF_ENDPOINT.`,
        );
    }
  } catch (error) {
    if (error instanceof DownloadRefusedError && error.spoilt) await rm(part.path, { force: true });
    throw spaceError(error, task);
  } finally {
    await part.file.close();
  }
}

interface Part {
  readonly path: string;
  readonly file: FileHandle;
  hasher: FileHasher;
  /** Whether it began with bytes of an earlier process. */
  resumed: boolean;
}

/** Takes up `<path>.incomplete`, hashing what is there, or begins it. */
async function openPart({ path, expected }: DownloadTask, { signal }: DownloadOptions): Promise<Part> {
  const partPath = `${path}.incomplete`;
  const bytes = (await stat(partPath).catch(() => undefined))?.size ?? 0;
  if (bytes > expected.sizeBytes) await rm(partPath);
  const hasher = new FileHasher(expected);
  const file = await open(partPath, 'a+', 0o600);
  try {
    const pieces = file.createReadStream({ start: 0, autoClose: false, highWaterMark: 256 * 1024 });
    for await (const piece of pieces as AsyncIterable<Buffer>) {
      if (signal?.aborted === true) throw new AbortedError();
      hasher.update(piece);
    }
    return { path: partPath, file, hasher, resumed: hasher.sizeBytes > 0 };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function restart(part: Part, { expected }: DownloadTask): Promise<void> {
  await part.file.truncate(0);
  part.hasher = new FileHasher(expected);
  part.resumed = false;
}

/** Goes on until all bytes are there, over as many connections as the budget allows. */
async function receiveWhole(
  requester: HubRequester,
  task: DownloadTask,
  part: Part,
  options: DownloadOptions,
): Promise<void> {
  const budget = new RetryBudget(options.retry ?? DEFAULT_RETRY);
  options.onProgress?.(part.hasher.sizeBytes);
  while (part.hasher.sizeBytes < task.expected.sizeBytes) {
    const before = part.hasher.sizeBytes;
    try {
      await receive(requester, task, part, options);
      if (part.hasher.sizeBytes < task.expected.sizeBytes)
        throw new DownloadError(`${requester.endpoint.host}: the connection ended early.`, {
          transient: true,
        });
    } catch (error) {
      await budget.spend(error, part.hasher.sizeBytes > before, options.signal);
    }
  }
}

/** One connection: from where the file ends to where the sender does. */
async function receive(
  requester: HubRequester,
  task: DownloadTask,
  part: Part,
  options: DownloadOptions,
): Promise<void> {
  const from = part.hasher.sizeBytes;
  const response = await requester.request(task.url, {
    ...(from > 0 ? { headers: { range: `bytes=${from}-` } } : {}),
    signal: options.signal,
  });
  try {
    await checkAnswer(response, task, part);
    for await (const piece of response.pieces()) {
      if (part.hasher.sizeBytes + piece.length > task.expected.sizeBytes)
        throw new DownloadRefusedError(
          `${response.host} sends more of ${task.name} than the ${task.expected.sizeBytes} bytes it should have. It was deleted.`,
        );
      await part.file.appendFile(piece);
      part.hasher.update(piece);
      options.onProgress?.(part.hasher.sizeBytes);
    }
  } catch (error) {
    throw isSpaceError(error) ? error : DownloadError.from(error, response.host, options.signal);
  } finally {
    response.body.on('error', () => undefined).destroy();
  }
}

/** Whether the body is what is missing; one that begins anew, because ranges are not known there, empties the file first. */
async function checkAnswer(response: HubResponse, task: DownloadTask, part: Part): Promise<void> {
  const from = part.hasher.sizeBytes;
  const { sizeBytes } = task.expected;
  if (response.status === 206 && from > 0) {
    const [, start, total] =
      /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
    if (total !== undefined && total !== '*' && Number(total) !== sizeBytes)
      throw wrongLength(response, task, total);
    if (Number(start) === from) return;
    await restart(part, task);
    throw new DownloadError(`${response.host} sends another part of ${task.name} than was asked for.`, {
      transient: true,
    });
  }
  if (response.status === 416) {
    await restart(part, task);
    throw new DownloadError(`${response.host} does not continue ${task.name} where it was cut.`, {
      transient: true,
    });
  }
  if (response.status !== 200)
    throw statusError(response.status, task.name, response.host, response.headers.get('retry-after'));
  const announced = response.headers.get('content-length');
  if (announced !== undefined && Number(announced) !== sizeBytes)
    throw wrongLength(response, task, announced);
  if (from > 0) await restart(part, task);
}

function wrongLength({ host }: HubResponse, { name, expected }: DownloadTask, announced: string): Error {
  return new DownloadRefusedError(
    `${host} has a ${name} of ${announced} bytes, not of ${expected.sizeBytes}. It was not taken.`,
    { spoilt: false },
  );
}

function isSpaceError(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(String((error as NodeJS.ErrnoException).code));
}

function spaceError(error: unknown, { name }: DownloadTask): unknown {
  return isSpaceError(error)
    ? new ModelSpaceError(`The disk is full before ${name} is complete.`, error)
    : error;
}
