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
  | 'engine_unavailable'
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

export class UnsupportedLanguageError extends StenographerError {
  constructor(language: string, model: string, languages: readonly string[]) {
    super(
      'unsupported_language',
      `The model '${model}' transcribes ${languages.join(', ')} only, not '${printable(language)}'. ` +
        'Leave language out for its own language, or use a model that knows this one (GET /v1/models lists what is here).',
      { param: 'language' },
    );
  }
}

export class CannotTranslateError extends StenographerError {
  constructor(model: string) {
    super(
      'unsupported_value',
      `The model '${printable(model)}' cannot translate. Use a model that can, or POST /v1/audio/transcriptions for the text in its own language.`,
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

/** A client's own text, cut and stripped so that it can stand in a message. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
}
