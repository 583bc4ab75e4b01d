import { join } from 'node:path';
import { type Config, readHubEnvironment } from '../config.ts';
import { CATALOG } from '../models/catalog.ts';
import { createModelLibrary, type ModelLibrary, type ModelLibraryOptions } from '../models/library.ts';

export interface OpenLibraryOptions {
  /** The folder of the models in the package. */
  readonly bundledDir: string;
  /** HF_ENDPOINT, HF_TOKEN and the proxies. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly release?: ModelLibraryOptions['release'];
}

/** The models of a configuration's data folder, with the whole catalogue to pull from. */
export function openModelLibrary(config: Config, options: OpenLibraryOptions): ModelLibrary {
  return createModelLibrary({
    models: CATALOG.models,
    bundledDir: options.bundledDir,
    modelsDir: join(config.dataDir, 'models'),
    hub: readHubEnvironment(options.environment),
    offline: config.offline,
    diskReserveBytes: config.diskReserveBytes,
    ...(options.release === undefined ? {} : { release: options.release }),
  });
}
