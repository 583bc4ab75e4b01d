import { CannotTranslateError, type ErrorCode, StenographerError } from '../errors.ts';

/** What a script can tell from the exit code of `steno`. 128 + n: ended by signal n, as shells count. */
export const EXIT_CODES = {
  ok: 0,
  /** A fault of Stenographer or of the machine; running it again may help. */
  internal: 1,
  /** Arguments, flags or settings that cannot be used. */
  usage: 2,
  /** An input that is missing, unreadable, no audio, too short or too long. */
  input: 3,
  /** A model or language that is not available here, or a model that cannot translate. */
  model: 4,
  /** A result that could not be written. */
  output: 5,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

export const EXIT_CODE_HELP = `
Exit codes: 0 done, 1 internal fault, 2 wrong usage or setting, 3 bad input file, 4 model or language not available,
5 result cannot be written, 130 and 143 interrupted. With several files: the code of the first that failed.`;

/** An input file that cannot be read, in words for the terminal. */
export class InputFileError extends StenographerError {
  constructor(reason: string, cause?: unknown) {
    super('invalid_audio', reason, { cause });
  }
}

/** A result that cannot be written. */
export class OutputFileError extends StenographerError {
  constructor(reason: string, cause?: unknown) {
    super('storage_full', reason, { cause });
  }
}

const BY_ERROR: Partial<Record<ErrorCode, ExitCode>> = {
  invalid_config: EXIT_CODES.usage,
  invalid_value: EXIT_CODES.usage,
  invalid_language_format: EXIT_CODES.usage,
  audio_too_short: EXIT_CODES.input,
  audio_too_long: EXIT_CODES.input,
  invalid_audio: EXIT_CODES.input,
  unsupported_audio_format: EXIT_CODES.input,
  ffmpeg_required: EXIT_CODES.input,
  file_too_large: EXIT_CODES.input,
  model_not_found: EXIT_CODES.model,
  unsupported_language: EXIT_CODES.model,
  download_failed: EXIT_CODES.model,
  download_refused: EXIT_CODES.model,
  offline: EXIT_CODES.model,
  model_damaged: EXIT_CODES.model,
  model_load_failed: EXIT_CODES.model,
  model_import_refused: EXIT_CODES.input,
  model_in_use: EXIT_CODES.model,
  licence_not_accepted: EXIT_CODES.usage,
  storage_full: EXIT_CODES.output,
  aborted: EXIT_CODES.interrupted,
};

export function exitCodeOf(error: unknown): ExitCode {
  // Its code is that of other bad values, but what helps is another model.
  if (error instanceof CannotTranslateError) return EXIT_CODES.model;
  return error instanceof StenographerError
    ? (BY_ERROR[error.code] ?? EXIT_CODES.internal)
    : EXIT_CODES.internal;
}
