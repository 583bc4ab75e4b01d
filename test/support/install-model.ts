import { createHash } from 'node:crypto';
import { link, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUNDLED_MODELS } from '../../src/models/catalog.ts';
import { MANIFEST_FILE, type Manifest, modelFolder } from '../../src/models/manifest.ts';

const BUNDLED_DIR = fileURLToPath(new URL('../../models/bundled', import.meta.url));

export interface InstallOptions {
  /** Estimate that the memory budget goes by. Default the package's model's. */
  readonly memoryBytes?: number;
  /** Files that do not hold a model but so many zero bytes. Default none. */
  readonly damaged?: boolean;
}

/** Puts the package's model into a data folder under another id, so that it counts as one that was imported. */
export async function installSecondModel(
  dataDir: string,
  id: string,
  options: InstallOptions = {},
): Promise<void> {
  const bundled = BUNDLED_MODELS.find((model) => model.id === 'moonshine-tiny');
  if (bundled === undefined) throw new Error('the package has no moonshine-tiny');
  const folder = modelFolder(join(dataDir, 'models'), id);
  const version = 'first';
  await mkdir(join(folder, version), { recursive: true });
  const files: Manifest['files'] = [];
  for (const { name, sizeBytes } of bundled.files) {
    const source = join(BUNDLED_DIR, bundled.id, name);
    const target = join(folder, version, name);
    if (options.damaged === true) await writeFile(target, Buffer.alloc(sizeBytes));
    else await link(source, target).catch(async () => writeFile(target, await readFile(source)));
    const sha256 = createHash('sha256')
      .update(await readFile(target))
      .digest('hex');
    files.push({ name, sizeBytes, sha256, checkedAgainst: 'nothing' });
  }
  const { memoryBytes = bundled.memoryBytes } = options;
  const manifest: Manifest = {
    format: 1,
    id,
    version,
    origin: 'import',
    installedAt: new Date().toISOString(),
    files,
    model: { ...bundled, id, aliases: [], bundled: false, memoryBytes, files: files.map(fileFacts) },
  };
  await writeFile(join(folder, MANIFEST_FILE), JSON.stringify(manifest));
}

function fileFacts({ name, sizeBytes, sha256 }: Manifest['files'][number]): object {
  return { name, sizeBytes, sha256 };
}
