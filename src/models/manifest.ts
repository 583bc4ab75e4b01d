import { randomBytes } from 'node:crypto';
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InvalidRequestError } from '../errors.ts';
import { COMMIT, modelSchema } from './catalog-schema.ts';

/** A name that leads nowhere else, on any system. */
const FILE_NAME = /^\w[\w.-]*$/;
const MODEL_ID = /^\w[\w.-]*(\/\w[\w.-]*)?$/;

const manifestSchema = z.strictObject({
  format: z.literal(1),
  id: z.string().regex(MODEL_ID),
  /** The folder beside the manifest that holds the files. */
  version: z.string().regex(FILE_NAME),
  origin: z.enum(['download', 'import']),
  installedAt: z.iso.datetime(),
  /** Where the files came from, or for an import where the catalogue says they are. */
  source: z
    .strictObject({
      endpoint: z.string(),
      repo: z.string(),
      revision: z.string(),
      commit: z.string().regex(COMMIT).optional(),
    })
    .optional(),
  files: z
    .array(
      z.strictObject({
        name: z.string().regex(FILE_NAME),
        sizeBytes: z.int().positive(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        /** What the hash was compared with when the file came. */
        checkedAgainst: z.enum(['catalogue', 'hub', 'nothing']),
      }),
    )
    .min(1),
  /** The model itself, where the catalogue does not know it. */
  model: z.unknown().optional(),
});

/** What is installed of a model; written last, so that a model with a manifest is whole. */
export type Manifest = Readonly<z.infer<typeof manifestSchema>>;
export type InstalledFile = Manifest['files'][number];

export const MANIFEST_FILE = 'manifest.json';

/** The folder of a model: its id as one name. Throws InvalidRequestError for a text that is no id, whatever path it would lead to. */
export function modelFolder(modelsDir: string, id: string): string {
  if (!isModelId(id))
    throw new InvalidRequestError(
      'model',
      'A model id is made of letters, digits, "_", "-" and ".", in one or two parts joined by "/", at most 128 characters.',
    );
  return join(modelsDir, id.replace('/', '%2F'));
}

/** Whether a text can be a model's id: no path, no hidden name, at most 128 characters. */
export function isModelId(text: string): boolean {
  return text.length <= 128 && MODEL_ID.test(text);
}

/** Ids come back out of folder names; undefined for a folder that is none of ours. */
export function modelIdOf(folderName: string): string | undefined {
  const id = folderName.replace('%2F', '/');
  return isModelId(id) ? id : undefined;
}

const cache = new Map<string, { readonly stamp: string; readonly manifest: Manifest | undefined }>();

/** The manifest as it stands on disk now; undefined where there is none that this user can read. */
export function readManifest(folder: string): Manifest | undefined {
  const path = join(folder, MANIFEST_FILE);
  const facts = lookAt(path);
  if (facts === undefined) {
    cache.delete(path);
    return undefined;
  }
  const stamp = `${facts.ino} ${facts.size} ${facts.mtimeMs}`;
  const known = cache.get(path);
  if (known?.stamp === stamp) return known.manifest;
  const manifest = parseManifest(path);
  cache.set(path, { stamp, manifest });
  return manifest;
}

/** Whether a folder has a manifest, be it damaged or closed to this user. */
export function hasManifest(folder: string): boolean {
  try {
    return lstatSync(join(folder, MANIFEST_FILE), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

function lookAt(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A folder of another user: one model that cannot be read is no reason to stop those that can.
    return undefined;
  }
}

function parseManifest(path: string): Manifest | undefined {
  try {
    const parsed = manifestSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces the manifest in one step, on disk before it returns. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const part = join(folder, `.${randomBytes(6).toString('hex')}.part`);
  try {
    const file = await open(part, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, join(folder, MANIFEST_FILE));
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Makes names in a folder last through a power cut, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** The model a manifest describes by itself; undefined where it describes none or one that is not understood. */
export function ownModelOf(manifest: Manifest) {
  const parsed = modelSchema.safeParse(manifest.model);
  return parsed.success &&
    !parsed.data.bundled &&
    parsed.data.id === manifest.id &&
    Array.isArray(parsed.data.languages)
    ? { ...parsed.data, languages: parsed.data.languages }
    : undefined;
}
