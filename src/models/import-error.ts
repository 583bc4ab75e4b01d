import { StenographerError } from '../errors.ts';

/** Files that cannot be imported; the message says why and what to do. */
export class ModelImportError extends StenographerError {
  constructor(reason: string, cause?: unknown) {
    super('model_import_refused', `Nothing was imported: ${reason}`, { cause });
  }
}
