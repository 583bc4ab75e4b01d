import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../errors.ts';
import { BUNDLED_MODELS } from '../models/catalog.ts';

/**
 * The folder `scripts/copy-assets.ts` fills: in the package beside dist/ (and beside src/ in development), or the one configured.
 * Throws ConfigError when a file is missing there.
 */
export function findBundledModels(configured: string | undefined): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const directory = configured ?? join(here, '..', '..', 'models', 'bundled');
  for (const model of BUNDLED_MODELS)
    for (const file of model.files)
      if (!existsSync(join(directory, model.id, file.name)))
        throw new ConfigError(
          `The model file ${model.id}/${file.name} is missing in ${directory}. Run "npm run build", or set STENO_MODELS_DIR.`,
        );
  return directory;
}
