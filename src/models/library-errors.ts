import { ConfigError, ModelSpaceError, StenographerError } from '../errors.ts';

/** What the operator can mend about the folder, in words. */
export function placeError(error: unknown): unknown {
  const code = String((error as NodeJS.ErrnoException).code);
  if (['ENOSPC', 'EDQUOT'].includes(code)) return new ModelSpaceError('The disk is full.', error);
  if (['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ELOOP'].includes(code))
    return new ConfigError(
      `Models cannot be written to the data folder (${code}). Set STENO_DATA_DIR to a folder that can be written.`,
    );
  return error;
}

/** With names that are alike. */
export function unknownModel(name: string, near: readonly string[]): StenographerError {
  const hint = near.length === 0 ? '' : ` Did you mean ${near.join(', ')}?`;
  return new StenographerError(
    'model_not_found',
    `There is no model '${name.replace(/[^\x20-\x7e]/g, '?').slice(0, 64)}'.${hint} steno models list --all shows all (GET /v1/models?include=downloadable).`,
    { param: 'model' },
  );
}

export function notInstalled(id: string): StenographerError {
  return new StenographerError('model_not_found', `The model '${id}' is not installed here.`, {
    param: 'model',
  });
}
