import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { differenceFrom, digestFile, type FileExpectation } from './file-check.ts';
import { isOutdated, type ModelPlaces } from './installed.ts';
import { hasManifest, MANIFEST_FILE, modelFolder, readManifest } from './manifest.ts';

export interface VerifiedFile {
  readonly name: string;
  /** What is wrong with it; undefined: it is as it was installed. */
  readonly problem?: string;
}

export interface VerifyReport {
  readonly model: string;
  readonly ok: boolean;
  readonly files: readonly VerifiedFile[];
  /** The files are whole, but the catalogue knows others. */
  readonly outdated: boolean;
}

/**
 * Reads every file of an installed model: against the catalogue for bundled ones, else against the manifest of its installation and
 * against the catalogue's hashes, where there are any. Undefined for a model of which nothing is here.
 */
export async function verifyModel(
  places: ModelPlaces,
  id: string,
  signal?: AbortSignal,
): Promise<VerifyReport | undefined> {
  const known = places.models.find((model) => model.id === id);
  if (known?.bundled === true)
    return report(id, await checkFiles(join(places.bundledDir, id), known.files, signal), false);
  const folder = modelFolder(places.modelsDir, id);
  const manifest = readManifest(folder);
  if (manifest === undefined) {
    if (!hasManifest(folder)) return undefined;
    return report(id, [{ name: MANIFEST_FILE, problem: 'it cannot be read' }], false);
  }
  const files = await checkFiles(join(folder, manifest.version), manifest.files, signal);
  const missing = (known?.files ?? [])
    .filter(({ name }) => !manifest.files.some((file) => file.name === name))
    .map(({ name }) => ({ name, problem: 'it is not installed' }));
  return report(id, [...files, ...missing], known !== undefined && isOutdated(known, manifest));
}

function report(model: string, files: readonly VerifiedFile[], outdated: boolean): VerifyReport {
  return { model, ok: files.every(({ problem }) => problem === undefined), files, outdated };
}

async function checkFiles(
  folder: string,
  files: readonly (FileExpectation & { readonly name: string })[],
  signal: AbortSignal | undefined,
): Promise<VerifiedFile[]> {
  const checked: VerifiedFile[] = [];
  for (const file of files) {
    const problem = await problemOf(join(folder, file.name), file, signal);
    checked.push({ name: file.name, ...(problem === undefined ? {} : { problem }) });
  }
  return checked;
}

async function problemOf(
  path: string,
  expected: FileExpectation,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const facts = await stat(path).catch(() => undefined);
  if (facts?.isFile() !== true) return 'it is missing';
  if (expected.sizeBytes !== undefined && facts.size !== expected.sizeBytes)
    return `it has ${facts.size} bytes, not ${expected.sizeBytes}`;
  return differenceFrom({ sha256: expected.sha256 }, await digestFile(path, {}, signal));
}
