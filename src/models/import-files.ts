import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { ModelImportError } from './import-error.ts';

/** A file somebody wants to import. */
export interface ImportedFile {
  readonly path: string;
  /** From the folder that was named, with `/`; of a single file its name. */
  readonly relativePath: string;
  readonly name: string;
  readonly sizeBytes: number;
}

const MAXIMUM_ENTRIES = 5000;
const MAXIMUM_DEPTH = 8;

/** The regular files of a path. Throws ModelImportError for links and devices: nothing but what was named may be read. */
export async function listImportFiles(path: string): Promise<ImportedFile[]> {
  if (path === '') throw new ModelImportError('the path is empty.');
  const root = resolve(path);
  const facts = await lstat(root).catch((error: NodeJS.ErrnoException) => {
    const reason =
      error.code === 'ENOENT' ? 'there is no such file or folder' : `it cannot be read (${error.code})`;
    throw new ModelImportError(`${path}: ${reason}.`, error);
  });
  if (!facts.isDirectory()) return [fileOf(root, basename(root), facts)];
  const files: ImportedFile[] = [];
  await walk(root, '', 1, files);
  if (files.length === 0) throw new ModelImportError(`${path} holds no files.`);
  return files;
}

async function walk(folder: string, prefix: string, depth: number, files: ImportedFile[]): Promise<void> {
  if (depth > MAXIMUM_DEPTH)
    throw new ModelImportError(
      `the folder is nested deeper than ${MAXIMUM_DEPTH}; name the one with the model.`,
    );
  for (const name of (await readdir(folder)).sort()) {
    // What git keeps of a cloned repository.
    if (name === '.git') continue;
    const path = join(folder, name);
    const facts = await lstat(path);
    if (facts.isDirectory()) await walk(path, `${prefix}${name}/`, depth + 1, files);
    else files.push(fileOf(path, `${prefix}${name}`, facts));
    if (files.length > MAXIMUM_ENTRIES)
      throw new ModelImportError(
        `the folder holds more than ${MAXIMUM_ENTRIES} files; name the one with the model.`,
      );
  }
}

function fileOf(path: string, relativePath: string, facts: Stats): ImportedFile {
  if (facts.isSymbolicLink())
    throw new ModelImportError(
      `${relativePath} is a symbolic link, and links are not followed. Copy the files with cp -rL first and import the copy.`,
    );
  if (!facts.isFile()) throw new ModelImportError(`${relativePath} is no regular file.`);
  return { path, relativePath, name: basename(path), sizeBytes: facts.size };
}
