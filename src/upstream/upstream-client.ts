import { type Dispatcher, Pool } from 'undici';
import type { FormBody } from './form-body.ts';
import { openProxies, type ProxyOptions } from './proxy.ts';

/** Why no whole answer came. */
export type ConnectionTrouble =
  /** No connection: refused, no such name, no route, or a proxy that makes none. */
  | 'unreachable'
  /** TLS says that it is not the service it should be. */
  | 'untrusted'
  /** The connection ended before the answer did. */
  | 'cut'
  /** Nothing came for too long. */
  | 'timeout'
  /** The answer is none that HTTP allows, or larger than is read. */
  | 'invalid';

/** The one error of this file besides what the signal was aborted with. */
export class ConnectionError extends Error {
  readonly trouble: ConnectionTrouble;
  /** The system's or undici's name for it, for logs. */
  readonly code: string;

  constructor(trouble: ConnectionTrouble, code: string, cause?: unknown) {
    super(`${trouble} (${code})`, cause === undefined ? undefined : { cause });
    this.name = 'ConnectionError';
    this.trouble = trouble;
    this.code = code;
  }
}

export interface ClientOptions extends ProxyOptions {
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  readonly maxConcurrent: number;
  readonly connectSeconds: number;
  /** Longest silence inside an answer. */
  readonly idleSeconds: number;
}

export interface SendOptions {
  /** Below the base URL. */
  readonly path: string;
  readonly body: FormBody;
  readonly headers: Readonly<Record<string, string>>;
  /** Aborting closes the connection. */
  readonly signal: AbortSignal;
}

export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface RawAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  /** To be read to its end or cancelled. Throws ConnectionError, or the signal's reason. */
  readonly body: AsyncIterable<Buffer>;
  /** Closes the connection unless the answer is whole. */
  cancel(): void;
  /** Resolves when the connection is free again or closed. */
  readonly closed: Promise<void>;
}

export interface UpstreamClient {
  /** One request, no retry, no redirect. Throws ConnectionError, or the signal's reason. */
  send(options: SendOptions): Promise<RawAnswer>;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** One service's connections: a pool of its own, so that a service that hangs holds nobody else's. Throws ConfigError for the proxies. */
export function createUpstreamClient(options: ClientOptions): UpstreamClient {
  const url = new URL(options.baseUrl);
  const basePath = url.pathname.replace(/\/+$/, '');
  const connect = { timeout: options.connectSeconds * 1000 };
  const limits = {
    connections: options.maxConcurrent,
    pipelining: 1,
    // Time until the headers is the caller's to limit, by its signal.
    headersTimeout: 0,
    bodyTimeout: options.idleSeconds * 1000,
    // Below what servers commonly keep (5 s in Node): a connection that is closed while we write to it costs an attempt.
    keepAliveTimeout: 3000,
    keepAliveMaxTimeout: 60_000,
  };
  const pool =
    openProxies(url, options, { ...limits, connect }) ?? new Pool(url.origin, { ...limits, connect });
  return {
    async send({ path, body, headers, signal }) {
      signal.throwIfAborted();
      const stream = body.open();
      // A request that ends early destroys its body; that is no failure of its own.
      stream.on('error', () => {});
      try {
        const response = await pool.request({
          origin: url.origin,
          method: 'POST',
          path: `${basePath}/${path}`,
          headers: {
            ...headers,
            ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` }),
            'content-type': body.contentType,
            'content-length': String(body.sizeBytes),
            // No decompressor ever sees what a service sends (reliability.md T8).
            'accept-encoding': 'identity',
            accept: '*/*',
          },
          body: stream,
          signal,
        });
        return rawAnswer(response, stream, signal);
      } catch (error) {
        stream.destroy();
        throw translate(error, signal);
      }
    },
    close: () => pool.destroy(),
  };
}

function rawAnswer(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  request: NodeJS.ReadableStream & { destroy(): void },
  signal: AbortSignal,
): RawAnswer {
  // Without a listener a body that nobody reads any more would throw.
  body.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    body.once('close', () => {
      // A service may answer before it has read everything.
      request.destroy();
      resolve();
    });
  });
  return {
    status: statusCode,
    headers,
    closed,
    cancel: () => body.destroy(),
    body: (async function* () {
      try {
        for await (const chunk of body) yield chunk as Buffer;
      } catch (error) {
        throw translate(error, signal);
      }
    })(),
  };
}

const UNREACHABLE = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
];
const TIMEOUTS = ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'];
const CUTS = [
  // This server ends.
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'UND_ERR_SOCKET',
  'UND_ERR_INFO',
];

function translate(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const code = String((error as NodeJS.ErrnoException | null)?.code ?? 'unknown');
  // What the caller aborted is no error of undici's: this one comes of a proxy that makes no tunnel.
  if (code === 'UND_ERR_ABORTED') return new ConnectionError('unreachable', proxyCode(error), error);
  if (UNREACHABLE.includes(code)) return new ConnectionError('unreachable', code, error);
  if (TIMEOUTS.includes(code)) return new ConnectionError('timeout', code, error);
  if (CUTS.includes(code)) return new ConnectionError('cut', code, error);
  if (/^HPE_|^UND_ERR_(?:HEADERS_OVERFLOW|RES)/.test(code))
    return new ConnectionError('invalid', code, error);
  // The names of OpenSSL's verification results are many: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
  if (/CERT|^ERR_TLS|^ERR_SSL|^UNABLE_TO_|^EPROTO$/.test(code))
    return new ConnectionError('untrusted', code, error);
  return error;
}

function proxyCode(error: unknown): string {
  const status = /\((\d{3})\)/.exec(String((error as Error).message))?.[1];
  return status === undefined ? 'PROXY_REFUSED' : `PROXY_STATUS_${status}`;
}
