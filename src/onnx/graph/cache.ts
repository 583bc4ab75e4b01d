import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export interface CachedFileOptions {
  directory: string;
  /** File name without the key, with its extension: `moonshine-encoder.onnx`. */
  name: string;
  /** All that the content depends on: hashes of inputs, versions, options. */
  key: readonly string[];
  /** Makes the content; the same key must give the same bytes. */
  build: () => Uint8Array | Promise<Uint8Array>;
}

/**
 * Path of a derived file, made on the first call and found again after.
 *
 * What is returned was complete and undamaged when this was called: content and its sha256 (beside it) are written to
 * temporary names, synced and renamed, and the sum is checked on every call. Two processes may do this at once; both
 * then build the same bytes and the later rename changes nothing. Files of the same name with another key are removed,
 * so the directory belongs to one version at a time.
 */
export async function cachedFile({ directory, name, key, build }: CachedFileOptions): Promise<string> {
  const [, stem = name, extension = ''] = /^(.*?)(\.[^.]*)?$/.exec(name) ?? [];
  const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16);
  const path = join(directory, `${stem}-${digest}${extension}`);
  if (await isIntact(path)) return path;

  const content = await build();
  await mkdir(directory, { recursive: true });
  await writeAtomically(path, content);
  const sum = createHash('sha256').update(content).digest('hex');
  await writeAtomically(`${path}.sha256`, new TextEncoder().encode(sum));
  await removeStale(directory, stem, extension, path);
  return path;
}

/** Sha256 of a file in hex, read in pieces. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

async function isIntact(path: string): Promise<boolean> {
  try {
    return (await readFile(`${path}.sha256`, 'utf8')) === (await hashFile(path));
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

async function writeAtomically(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Removes what other keys left, and temporaries of processes that died; an open file stays readable to its reader. */
async function removeStale(directory: string, stem: string, extension: string, path: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    const found = join(directory, entry);
    const rest = entry.slice(stem.length);
    const isOurs =
      entry.startsWith(stem) && /^-[0-9a-f]{16}/.test(rest) && rest.slice(17).startsWith(extension);
    const isCurrent = found === path || found === `${path}.sha256`;
    if (isOurs && !isCurrent && !isBeingWritten(entry)) await rm(found, { force: true });
  }
}

/** A temporary of a process that still lives. */
function isBeingWritten(entry: string): boolean {
  const [, pid] = /\.(\d+)\.[0-9a-f-]{36}\.tmp$/.exec(entry) ?? [];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
