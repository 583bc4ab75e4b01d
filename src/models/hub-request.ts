import type { Readable } from 'node:stream';
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { ConfigError } from '../errors.ts';
import { type Clock, SYSTEM_CLOCK } from '../util/clock.ts';
import { DownloadError } from './download-error.ts';
import { pacedPieces } from './paced-pieces.ts';

/** Where models come from and how it is reached. */
export interface HubOptions {
  /** Base URL of a Hugging Face hub or a mirror of one. Default {@link DEFAULT_ENDPOINT}. */
  readonly endpoint?: string | undefined;
  /** Access token; sent to the endpoint's own host only. */
  readonly token?: string | undefined;
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  /** Hosts that are reached without the proxy, as in NO_PROXY. */
  readonly noProxy?: string | undefined;
  /** Time for a connection. Default 20 000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Longest silence, before the headers and between two pieces of a body. Default 30 000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Measures how fast bodies come. Default the system's. */
  readonly clock?: Clock | undefined;
}

export const DEFAULT_ENDPOINT = 'https://huggingface.co';

export interface HubRequest {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface HubResponse {
  readonly status: number;
  /** Lower-case names; of a header that came twice, the first. */
  readonly headers: ReadonlyMap<string, string>;
  /** To be destroyed in the end, read or not. */
  readonly body: Readable;
  /** The body, given up when it trickles: see pacedPieces. */
  pieces(): AsyncIterable<Buffer>;
  /** The host that answered, for messages: where redirects led. */
  readonly host: string;
}

export interface HubRequester {
  readonly endpoint: URL;
  /** One answer after redirects, whatever its status. The caller reads or destroys the body. Throws DownloadError. */
  request(url: string, options?: HubRequest): Promise<HubResponse>;
  close(): Promise<void>;
}

const MAXIMUM_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** HTTP as downloads need it: redirects looked at one by one, bodies never decoded, silence has an end. Throws ConfigError. */
export function createHubRequester(options: HubOptions): HubRequester {
  const endpoint = parseEndpoint(options.endpoint ?? DEFAULT_ENDPOINT);
  const { connectTimeoutMs = 20_000, idleTimeoutMs = 30_000, clock = SYSTEM_CLOCK } = options;
  const dispatcher = openDispatcher(options, { connectTimeoutMs, idleTimeoutMs });
  /** A connection, the question and the beginning of its answer. */
  const answerWithinMs = connectTimeoutMs + 2 * idleTimeoutMs;

  async function follow(url: URL, wanted: HubRequest, redirects: number): Promise<HubResponse> {
    const { response, headers } = await ask(url, wanted);
    const location = headers.get('location');
    if (!REDIRECTS.has(response.statusCode) || location === undefined) {
      if (isEncoded(headers)) {
        response.body.destroy();
        throw new DownloadError(
          `${url.host} sent a compressed body although none was asked for. A proxy or mirror in between must pass files on as they are.`,
        );
      }
      const { statusCode: status, body } = response;
      return { status, headers, body, host: url.host, pieces: () => pacedPieces(body, url.host, clock) };
    }
    response.body.on('error', () => undefined).destroy();
    if (redirects >= MAXIMUM_REDIRECTS)
      throw new DownloadError(`${endpoint.host} redirects more than ${MAXIMUM_REDIRECTS} times.`);
    return follow(redirectTarget(location, url), afterRedirect(response.statusCode, wanted), redirects + 1);
  }

  async function ask(url: URL, { method = 'GET', headers = {}, body, signal }: HubRequest) {
    const authorization =
      options.token !== undefined && url.origin === endpoint.origin
        ? { authorization: `Bearer ${options.token}` }
        : {};
    // Announcements before the answer (status 103) may come for ever: none of the other times counts them.
    const late = new AbortController();
    const stopWatch = clock.after(answerWithinMs, () => late.abort());
    const response = await request(url, {
      method,
      dispatcher,
      // Asks for no Brotli or gzip: what is counted and hashed are the file's own bytes.
      headers: { 'user-agent': 'stenographer', ...headers, 'accept-encoding': 'identity', ...authorization },
      ...(body === undefined ? {} : { body }),
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    })
      .catch((error: unknown) => {
        throw late.signal.aborted
          ? DownloadError.notInTime(url.host)
          : DownloadError.from(error, url.host, signal);
      })
      .finally(stopWatch);
    return { response, headers: firstHeaders(response.headers) };
  }

  return {
    endpoint,
    request: (url, wanted = {}) => follow(new URL(url), wanted, 0),
    close: () => dispatcher.destroy(),
  };
}

function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '')
    throw new ConfigError(
      'HF_ENDPOINT must be the http or https URL of a hub, without user name and query, such as https://huggingface.co.',
    );
  return url;
}

function openDispatcher(
  options: HubOptions,
  { connectTimeoutMs, idleTimeoutMs }: { readonly connectTimeoutMs: number; readonly idleTimeoutMs: number },
): Dispatcher {
  try {
    return new EnvHttpProxyAgent({
      // Empty, not absent: absent makes the agent read the environment by itself.
      httpProxy: options.httpProxy ?? '',
      httpsProxy: options.httpsProxy ?? '',
      noProxy: options.noProxy ?? '',
      connect: { timeout: connectTimeoutMs },
      headersTimeout: idleTimeoutMs,
      bodyTimeout: idleTimeoutMs,
    });
  } catch {
    throw new ConfigError(
      'HTTPS_PROXY and HTTP_PROXY must be URLs of proxies, such as http://proxy.example:3128.',
    );
  }
}

/** A hub sends large files to another host; that one gets no token, and what began encrypted stays so. */
export function redirectTarget(location: string, from: URL): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (to === undefined || !/^https?:$/.test(to.protocol) || to.username !== '' || to.password !== '')
    throw new DownloadError(`${from.host} redirects to something that is no http or https URL.`);
  if (from.protocol === 'https:' && to.protocol !== 'https:')
    throw new DownloadError(`${from.host} redirects from https to http (${to.host}), which is not followed.`);
  return to;
}

function afterRedirect(status: number, wanted: HubRequest): HubRequest {
  if (status === 307 || status === 308 || wanted.body === undefined) return wanted;
  const { body: _, ...rest } = wanted;
  return { ...rest, method: 'GET' };
}

function isEncoded(headers: ReadonlyMap<string, string>): boolean {
  return !['', 'identity'].includes((headers.get('content-encoding') ?? '').trim().toLowerCase());
}

function firstHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(headers).flatMap(([name, value]) => {
      const first = Array.isArray(value) ? value[0] : value;
      return first === undefined ? [] : [[name.toLowerCase(), first] as const];
    }),
  );
}
