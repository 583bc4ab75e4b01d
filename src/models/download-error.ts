import { AbortedError, StenographerError } from '../errors.ts';

export interface DownloadErrorDetails {
  /** Whether the same step may work a moment later. */
  readonly transient?: boolean;
  /** Whether the attempt counts as one that brought nothing, although some bytes came. */
  readonly fruitless?: boolean;
  /** What the hub asks to wait before that. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** A model could not be fetched. The message names the host and what to do, never the token or a signed URL. */
export class DownloadError extends StenographerError {
  readonly transient: boolean;
  readonly fruitless: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, details: DownloadErrorDetails = {}) {
    const { transient = false, fruitless = false, retryAfterMs, cause } = details;
    super('download_failed', message, { cause });
    this.transient = transient;
    this.fruitless = fruitless;
    this.retryAfterMs = retryAfterMs;
  }

  /** For an answer that does not begin. */
  static notInTime(host: string): DownloadError {
    return new DownloadError(`${host}: ${LATE}`, { transient: true });
  }

  /** What undici and the system throw, in words. */
  static from(error: unknown, host: string, signal?: AbortSignal): StenographerError {
    if (error instanceof StenographerError) return error;
    if (signal?.aborted === true) return new AbortedError(error);
    const code = String((error as NodeJS.ErrnoException).code ?? '');
    const known = Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
    if (known !== undefined) return new DownloadError(`${host}: ${known}`, { transient: true, cause: error });
    return new DownloadError(
      `${host}: the connection failed (${code || (error as Error).message}). If a proxy is needed, set HTTPS_PROXY; for another hub HF_ENDPOINT.`,
      { cause: error },
    );
  }
}

/** Bytes that are not what was announced: they are thrown away, never installed. */
export class DownloadRefusedError extends StenographerError {
  /** Whether bytes that were taken are wrong; else nothing was taken, and what an earlier attempt left may still be right. */
  readonly spoilt: boolean;

  constructor(message: string, { spoilt = true }: { readonly spoilt?: boolean } = {}) {
    super('download_refused', message);
    this.spoilt = spoilt;
  }
}

const CUT = 'the connection was cut.';
const LATE = 'it did not answer in time.';
const UNREACHABLE =
  'it cannot be reached. If a proxy is needed, set HTTPS_PROXY; for another hub HF_ENDPOINT; without a network use steno models import.';

const REASONS: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: UNREACHABLE,
  ENOTFOUND: UNREACHABLE,
  EAI_AGAIN: UNREACHABLE,
  ECONNREFUSED: UNREACHABLE,
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  ETIMEDOUT: UNREACHABLE,
  UND_ERR_HEADERS_TIMEOUT: LATE,
  UND_ERR_BODY_TIMEOUT: 'it stopped sending.',
  UND_ERR_SOCKET: CUT,
  ECONNRESET: CUT,
  EPIPE: CUT,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: CUT,
};
