import { type ErrorCode, StenographerError } from '../errors.ts';
import type { ErrorResponse } from './schemas/error.ts';

interface ErrorRow {
  readonly status: number;
  readonly type: 'invalid_request_error' | 'server_error' | 'requests' | 'insufficient_quota';
  readonly headers?: Readonly<Record<string, string>>;
}

const badRequest: ErrorRow = { status: 400, type: 'invalid_request_error' };
const unavailable: ErrorRow = { status: 503, type: 'server_error' };
const badGateway: ErrorRow = { status: 502, type: 'server_error' };
const unauthorized: ErrorRow = {
  status: 401,
  type: 'invalid_request_error',
  headers: { 'www-authenticate': 'Bearer realm="Stenographer"' },
};
const forbidden: ErrorRow = { status: 403, type: 'invalid_request_error' };
// Official clients send a failed request again by default; what fails for its content must not come back.
const neverAgain = { 'x-should-retry': 'false' };

/** Our error codes as clients see them. */
const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = {
  invalid_value: badRequest,
  missing_required_parameter: badRequest,
  invalid_language_format: badRequest,
  unsupported_language: badRequest,
  unsupported_value: badRequest,
  invalid_request: badRequest,
  invalid_audio: badRequest,
  audio_too_short: badRequest,
  audio_too_long: badRequest,
  unsupported_audio_format: badRequest,
  invalid_multipart: badRequest,
  unsupported_content_type: badRequest,
  // A recording that takes the decoder so long is built to do so.
  timeout: badRequest,
  ffmpeg_required: { status: 415, type: 'invalid_request_error' },
  unsupported_content_encoding: { status: 415, type: 'invalid_request_error' },
  file_too_large: { status: 413, type: 'server_error' },
  upload_timeout: { status: 408, type: 'invalid_request_error' },
  model_not_found: { status: 404, type: 'invalid_request_error' },
  unknown_url: { status: 404, type: 'invalid_request_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  missing_api_key: unauthorized,
  invalid_api_key: unauthorized,
  forbidden_host: forbidden,
  forbidden_origin: forbidden,
  admin_required: forbidden,
  rate_limit_exceeded: { status: 429, type: 'requests' },
  insufficient_quota: { status: 429, type: 'insufficient_quota', headers: neverAgain },
  store_unavailable: unavailable,
  upstream_unavailable: unavailable,
  // Without a time to come back the service itself has said that it is no use.
  upstream_error: { ...badGateway, headers: neverAgain },
  upstream_misconfigured: { ...badGateway, headers: neverAgain },
  upstream_timeout: { status: 504, type: 'server_error', headers: neverAgain },
  upstream_limit: { status: 429, type: 'requests', headers: neverAgain },
  queue_full: unavailable,
  queue_timeout: unavailable,
  shutting_down: unavailable,
  engine_unavailable: unavailable,
  out_of_memory: unavailable,
  model_load_failed: unavailable,
  model_load_timeout: unavailable,
  model_memory_timeout: unavailable,
  model_too_large: badRequest,
  model_in_use: { status: 409, type: 'invalid_request_error' },
  not_ready: unavailable,
  aborted: unavailable,
  // Tried often enough already.
  download_failed: { status: 502, type: 'server_error', headers: neverAgain },
  download_refused: { status: 502, type: 'server_error', headers: neverAgain },
  model_damaged: { status: 500, type: 'server_error', headers: neverAgain },
  model_import_refused: badRequest,
  offline: forbidden,
  licence_not_accepted: forbidden,
  storage_full: { status: 507, type: 'server_error' },
  engine_crashed: { status: 500, type: 'server_error', headers: neverAgain },
  invalid_config: { status: 500, type: 'server_error' },
  internal_error: { status: 500, type: 'server_error' },
};

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorResponse;
}

/** Any thrown value as an answer. What is not ours becomes a plain 500 that gives nothing away. */
export function errorAnswer(thrown: unknown): ErrorAnswer {
  const error = thrown instanceof StenographerError ? thrown : translate(thrown);
  const row = ERRORS[error.code];
  const wait = error.retryAfterSecond ?? (row.status === 503 ? 5 : undefined);
  return {
    status: row.status,
    // What says when to come back does not say at the same time that it is no use.
    headers: wait === undefined ? { ...row.headers } : { ...without(row.headers), ...retryHeaders(wait) },
    body: { error: { message: error.message, type: row.type, param: error.param ?? null, code: error.code } },
  };
}

function without({
  'x-should-retry': _,
  ...headers
}: Readonly<Record<string, string>> = {}): Record<string, string> {
  return headers;
}

/** Client faults that fastify finds before our code does. */
const FASTIFY_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported_content_type',
    'The Content-Type header could not be read. Send multipart/form-data with a boundary.',
  ],
  FST_ERR_BAD_URL: ['invalid_request', 'The URL is not properly percent-encoded.'],
  FST_ERR_MAX_PARAM_LENGTH: ['invalid_request', 'A part of the URL is too long.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'invalid_request',
    'The body does not match its Content-Length header.',
  ],
};

function translate(thrown: unknown): StenographerError {
  const code = thrown instanceof Error ? String((thrown as NodeJS.ErrnoException).code) : '';
  const known = Object.hasOwn(FASTIFY_ERRORS, code) ? FASTIFY_ERRORS[code] : undefined;
  if (known !== undefined) return new StenographerError(known[0], known[1]);
  if (code === 'ENOSPC' || code === 'EDQUOT') return storageFull(thrown);
  if (code === 'EMFILE' || code === 'ENFILE')
    return new StenographerError(
      'engine_unavailable',
      'The server has too many files open. Try again shortly.',
      {
        cause: thrown,
        retryAfterSecond: 2,
      },
    );
  return new StenographerError(
    'internal_error',
    'The server had an error while processing your request. Try again; if it stays, tell the operator the x-request-id.',
    { cause: thrown },
  );
}

/** The one system error that is neither the client's fault nor ours. */
function storageFull(cause: unknown): StenographerError {
  return new StenographerError(
    'storage_full',
    'The server has no disk space left for this request. Try again later.',
    {
      cause,
      retryAfterSecond: 30,
    },
  );
}

/** Clients of all generations obey waits of up to 60 s. */
function retryHeaders(seconds: number): Record<string, string> {
  const wait = Math.min(60, Math.max(1, Math.ceil(seconds)));
  return { 'retry-after': String(wait), 'retry-after-ms': String(wait * 1000) };
}
