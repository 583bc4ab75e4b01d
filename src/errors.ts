/**
 * Every failure a caller can act on. No HTTP here: `http/error-response.ts` gives each code its status.
 * Messages say what was expected, what came and what to do; they never hold uploaded content or paths.
 */
export type ErrorCode =
  | 'invalid_value'
  | 'missing_required_parameter'
  | 'invalid_language_format'
  | 'unsupported_language'
  | 'model_not_found'
  | 'audio_too_short'
  | 'audio_too_long'
  | 'invalid_audio'
  | 'unsupported_audio_format'
  | 'ffmpeg_required'
  | 'file_too_large'
  | 'invalid_multipart'
  | 'unsupported_content_type'
  | 'missing_api_key'
  | 'invalid_api_key'
  | 'unknown_url'
  | 'method_not_allowed'
  | 'queue_full'
  | 'queue_timeout'
  | 'shutting_down'
  | 'engine_crashed'
  | 'out_of_memory'
  | 'engine_unavailable'
  | 'model_load_failed'
  | 'model_load_timeout'
  | 'model_memory_timeout'
  | 'model_too_large'
  | 'model_in_use'
  | 'timeout'
  | 'storage_full'
  | 'invalid_config'
  | 'aborted'
  | 'unsupported_value'
  | 'unsupported_content_encoding'
  | 'invalid_request'
  | 'forbidden_host'
  | 'forbidden_origin'
  | 'upload_timeout'
  | 'not_ready'
  | 'rate_limit_exceeded'
  | 'insufficient_quota'
  | 'admin_required'
  | 'store_unavailable'
  | 'upstream_unavailable'
  | 'upstream_error'
  | 'upstream_timeout'
  | 'upstream_limit'
  | 'upstream_misconfigured'
  | 'download_failed'
  | 'download_refused'
  | 'offline'
  | 'model_damaged'
  | 'model_import_refused'
  | 'licence_not_accepted'
  | 'internal_error';

export interface ErrorDetails {
  /** The request field at fault, as the client spelled it. */
  readonly param?: string;
  readonly cause?: unknown;
  /** Whether the same request may succeed later, and after how many seconds. */
  readonly retryAfterSecond?: number;
}

export class StenographerError extends Error {
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly retryAfterSecond: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.param = details.param;
    this.retryAfterSecond = details.retryAfterSecond;
  }

  /** True when the same request may succeed later. */
  get retryable(): boolean {
    return this.retryAfterSecond !== undefined;
  }
}

/** A request field that is missing, malformed or out of range. */
export class InvalidRequestError extends StenographerError {
  constructor(param: string, message: string, code: ErrorCode = 'invalid_value') {
    super(code, message, { param });
  }
}

export class ModelNotFoundError extends StenographerError {
  constructor(model: string, available: readonly string[]) {
    super(
      'model_not_found',
      `The model '${printable(model)}' does not exist here. Available models: ${available.join(', ')}.`,
      { param: 'model' },
    );
  }
}

/** A model that is known but whose files are not on this machine. */
export class ModelNotInstalledError extends StenographerError {
  constructor(name: string, id = name) {
    super(
      'model_not_found',
      `The model '${printable(name)}' is not installed on this machine. Its operator gets it with: steno models pull ${printable(id)}`,
      { param: 'model' },
    );
  }
}

/** Files of a model would leave too little of the disk. */
export class ModelSpaceError extends StenographerError {
  constructor(reason: string, cause?: unknown) {
    super(
      'storage_full',
      `${reason} Remove models with steno models remove, or set STENO_DATA_DIR to a larger disk.`,
      {
        cause,
      },
    );
  }
}

/** Something would be fetched although the operator has forbidden it. */
export class OfflineError extends StenographerError {
  constructor(model: string) {
    super(
      'offline',
      `The model '${printable(model)}' is not fetched because STENO_OFFLINE is set. Bring its files from another machine with: steno models import PATH`,
      { param: 'model' },
    );
  }
}

/** A licence that restricts what the model may be used for, and nobody has said yes to it. */
export class LicenceNotAcceptedError extends StenographerError {
  constructor(model: string, { licence, licenceUrl, restriction }: LicenceTerms) {
    super(
      'licence_not_accepted',
      `The licence of '${printable(model)}' (${licence}) restricts its use: ${restriction} ` +
        `Read it at ${licenceUrl ?? 'its publisher'}; if you may use the model, say so with --accept-licence ("accept_licence": true over HTTP).`,
      { param: 'accept_licence' },
    );
  }
}

interface LicenceTerms {
  readonly licence: string;
  readonly licenceUrl?: string | undefined;
  readonly restriction?: string | undefined;
}

/** Longer lists of languages are counted, not told. */
const MOST_LANGUAGES = 8;

export class UnsupportedLanguageError extends StenographerError {
  /** `advice` names models that know it: "installed here: a, b". */
  constructor(language: string, model: string, languages: readonly string[], advice?: string) {
    const knows =
      languages.length > MOST_LANGUAGES
        ? `knows ${languages.length} languages`
        : `transcribes ${languages.join(', ')} only`;
    super(
      'unsupported_language',
      `The model '${printable(model)}' ${knows}, not '${printable(language)}'. Leave language out for its own ` +
        `${languages.length === 1 ? 'language' : 'choice'}, or use a model that knows this one: ${advice ?? 'GET /v1/models lists what is here'}.`,
      { param: 'language' },
    );
  }
}

export class CannotTranslateError extends StenographerError {
  /** `advice` names models that can: "installed here: a, b". */
  constructor(model: string, advice?: string) {
    super(
      'unsupported_value',
      `The model '${printable(model)}' cannot translate. Use a model that can${advice === undefined ? '' : ` (${advice})`}, ` +
        'or POST /v1/audio/transcriptions for the text in its own language.',
      { param: 'model' },
    );
  }
}

export class AudioTooShortError extends StenographerError {
  constructor(seconds: number, minimumSeconds: number) {
    super(
      'audio_too_short',
      `The audio is ${seconds.toFixed(3)} seconds long; at least ${minimumSeconds} seconds are needed.`,
      { param: 'file' },
    );
  }
}

export class AudioTooLongError extends StenographerError {
  constructor(maximumSeconds: number) {
    super(
      'audio_too_long',
      `The audio is longer than ${maximumSeconds} seconds, the limit set by STENO_MAX_AUDIO_SECONDS. Send it in parts.`,
      { param: 'file' },
    );
  }
}

/** Bytes that hold no audio we can decode. `reason` is ours, never a decoder's own words. */
export class InvalidAudioError extends StenographerError {
  constructor(reason: string, cause?: unknown) {
    super(
      'invalid_audio',
      `The audio file could not be decoded: ${reason}. Send a complete flac, mp3, mp4, mpeg, mpga, m4a, oga, ogg, wav or webm file.`,
      { param: 'file', cause },
    );
  }
}

export class FfmpegRequiredError extends StenographerError {
  constructor(format: string) {
    super(
      'ffmpeg_required',
      `This server can read only WAV files now, not ${format}, because it found no working ffmpeg. ` +
        'Install ffmpeg (apt-get install ffmpeg, brew install ffmpeg) or set STENO_FFMPEG to its path, or send WAV.',
      { param: 'file' },
    );
  }
}

export class QueueFullError extends StenographerError {
  constructor(limit: number) {
    super(
      'queue_full',
      `The server already has ${limit} requests waiting (STENO_MAX_QUEUE). Try again shortly.`,
      {
        retryAfterSecond: 2,
      },
    );
  }
}

export class TooManyUploadsError extends StenographerError {
  constructor(limit: number) {
    super(
      'queue_full',
      `The server is already receiving ${limit} uploads (STENO_MAX_UPLOADS). Try again shortly.`,
      { retryAfterSecond: 2 },
    );
  }
}

/** An upload would leave less of the disk free than must stay so. */
export class DiskReserveError extends StenographerError {
  constructor(reserveBytes: number) {
    super(
      'storage_full',
      `The server has too little disk space for this upload: it keeps ${reserveBytes} bytes free (STENO_DISK_RESERVE_BYTES). Try again later.`,
      { retryAfterSecond: 30 },
    );
  }
}

/** The request's turn did not come in time. */
export class QueueTimeoutError extends StenographerError {
  constructor(seconds: number) {
    super(
      'queue_timeout',
      `The request waited ${seconds} seconds for its turn, the limit set by STENO_MAX_QUEUE_SECONDS. Try again later.`,
      { retryAfterSecond: 10 },
    );
  }
}

/** A model could not be loaded. `reason` is the engine's own; a later try may find the model repaired. */
export class ModelLoadError extends StenographerError {
  /** Why, without advice. */
  readonly reason: string;

  constructor(model: string, reason: string, retryAfterSecond = 5) {
    super(
      'model_load_failed',
      `The model '${model}' could not be loaded: ${withoutEnd(reason)}. Other models are not affected. Try again later, or tell the operator: "steno models verify" shows damaged files.`,
      { param: 'model', retryAfterSecond },
    );
    this.reason = reason;
  }
}

/** A model was not loaded in the time that is allowed for it. */
export class ModelLoadTimeoutError extends StenographerError {
  readonly reason: string;

  constructor(model: string, seconds: number, retryAfterSecond = 30) {
    super(
      'model_load_timeout',
      `The model '${model}' was not loaded within ${seconds} seconds, the limit set by STENO_MODEL_LOAD_SECONDS. Try again later.`,
      { param: 'model', retryAfterSecond },
    );
    this.reason = `not loaded within ${seconds} seconds`;
  }
}

/** Other models that are at work hold the memory that this one needs. */
export class ModelMemoryTimeoutError extends StenographerError {
  constructor(model: string, seconds: number) {
    super(
      'model_memory_timeout',
      `The model '${model}' waited ${seconds} seconds for memory that models at work hold (STENO_MODEL_MEMORY_BYTES, STENO_MAX_QUEUE_SECONDS). Try again later.`,
      { param: 'model', retryAfterSecond: 10 },
    );
  }
}

/** A model that needs more memory than all models together may have. */
export class ModelTooLargeError extends StenographerError {
  constructor(model: string, neededBytes: number, budgetBytes: number) {
    super(
      'model_too_large',
      `The model '${model}' needs about ${mebibytes(neededBytes)} MiB of memory, more than the ${mebibytes(budgetBytes)} MiB that models may use here (STENO_MODEL_MEMORY_BYTES). Use a smaller model, or raise the setting.`,
      { param: 'model' },
    );
  }
}

/** A model that cannot be unloaded or removed now. */
export class ModelInUseError extends StenographerError {
  constructor(model: string) {
    super('model_in_use', `The model '${model}' is at work on requests. Try again when they are done.`, {
      param: 'model',
      retryAfterSecond: 5,
    });
  }
}

export class ShuttingDownError extends StenographerError {
  constructor() {
    super('shutting_down', 'The server is shutting down. Try again shortly.', { retryAfterSecond: 5 });
  }
}

/** The inference process died or hung on this chunk as often as it may. */
export class EngineCrashedError extends StenographerError {
  constructor(starts: number) {
    super(
      'engine_crashed',
      `The speech engine stopped ${starts} times while working on this audio, so it was given up. Other requests are not affected.`,
    );
  }
}

/** There was not enough memory for this audio, alone as well as beside others. `cause` has the words of who said so. */
export class OutOfMemoryError extends StenographerError {
  constructor(cause?: unknown) {
    super(
      'out_of_memory',
      'The server had too little memory to transcribe this audio. Other requests are not affected. Try again when it has less to do.',
      { cause, retryAfterSecond: 10 },
    );
  }
}

/** A caller sends more requests a minute than it may. `retryAfterSecond` says when the next one is taken. */
export class RateLimitError extends StenographerError {
  constructor(message: string, retryAfterSecond: number) {
    super('rate_limit_exceeded', message, { retryAfterSecond });
  }
}

/** A key has used up its audio seconds. Worth a retry only when the period ends within a minute. */
export class QuotaExceededError extends StenographerError {
  constructor(message: string, endsInSecond: number) {
    super('insufficient_quota', message, endsInSecond <= 60 ? { retryAfterSecond: endsInSecond } : {});
  }
}

/** A key that may not do this. */
export class AdminRequiredError extends StenographerError {
  constructor() {
    super(
      'admin_required',
      'This needs an admin key. The operator makes one with: steno keys create --admin.',
    );
  }
}

/** The records of keys and usage cannot be read or written. */
export class StoreError extends StenographerError {
  constructor(cause: unknown) {
    super('store_unavailable', 'The server cannot reach its records now. Try again shortly.', {
      cause,
      retryAfterSecond: 5,
    });
  }
}

export type UpstreamErrorCode =
  | 'upstream_unavailable'
  | 'upstream_error'
  | 'upstream_timeout'
  | 'upstream_limit'
  | 'upstream_misconfigured'
  | 'file_too_large';

/** A service elsewhere did not serve the request. The client hears its name here and what happened, not where it is. */
export class UpstreamError extends StenographerError {
  /** `upstream/model`, as configured. */
  readonly target: string;
  /** What follows the target in a sentence. */
  readonly words: string;

  constructor(
    code: UpstreamErrorCode,
    target: string,
    words: string,
    retryAfterSecond?: number,
    cause?: unknown,
  ) {
    super(code, `The service ${target} ${words}.`, {
      cause,
      ...(retryAfterSecond === undefined ? {} : { retryAfterSecond }),
    });
    this.target = target;
    this.words = words;
  }

  /** The same, with the time that the service itself wants to be left alone for. */
  waiting(retryAfterSecond: number): UpstreamError {
    return new UpstreamError(
      this.code as UpstreamErrorCode,
      this.target,
      this.words,
      retryAfterSecond,
      this.cause,
    );
  }
}

/** The caller went away or gave up; the work was stopped. */
export class AbortedError extends StenographerError {
  constructor(cause?: unknown) {
    super('aborted', 'The request was cancelled.', { cause });
  }
}

export class ConfigError extends StenographerError {
  constructor(message: string) {
    super('invalid_config', message);
  }
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / (1024 * 1024));
}

function withoutEnd(sentence: string): string {
  return sentence.trim().replace(/\.+$/, '');
}

/** A client's own text, cut and stripped so that it can stand in a message. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
}
