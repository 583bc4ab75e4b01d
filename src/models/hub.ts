import type { HubApiError } from '@huggingface/hub';
import { StenographerError } from '../errors.ts';
import type { ModelSource } from './catalog.ts';
import { DownloadError, DownloadRefusedError } from './download-error.ts';
import type { FileExpectation } from './file-check.ts';
import type { HubRequest, HubRequester, HubResponse } from './hub-request.ts';
import { DEFAULT_RETRY, RetryBudget, type RetryPolicy } from './retry.ts';

/** What a hub says about one file of a repository. */
export type HubFile = FileExpectation & { readonly sizeBytes: number };

/** Answers about files are small; what is larger is no such answer. */
const MAXIMUM_ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * Size and hash of files at a revision, in the order of the paths: SHA-256 for those in large file storage, git's own for the others.
 * Throws DownloadError, with what to do, when the hub has no such repository, revision or file, or wants a token.
 */
export async function hubFiles(
  requester: HubRequester,
  source: ModelSource,
  paths: readonly string[],
  options: { readonly signal?: AbortSignal | undefined; readonly retry?: RetryPolicy | undefined } = {},
): Promise<HubFile[]> {
  const budget = new RetryBudget(options.retry ?? DEFAULT_RETRY);
  while (true) {
    try {
      return await askHub(requester, source, paths, options.signal);
    } catch (error) {
      await budget.spend(error, false, options.signal);
    }
  }
}

async function askHub(
  requester: HubRequester,
  source: ModelSource,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<HubFile[]> {
  // Loaded here: most commands and servers never ask a hub.
  const { pathsInfo } = await import('@huggingface/hub');
  const host = requester.endpoint.host;
  const found = await pathsInfo({
    repo: { type: 'model', name: source.repo },
    revision: source.revision,
    paths: [...paths],
    hubUrl: requester.endpoint.href.replace(/\/+$/, ''),
    // The token is set there, for the hub's own host alone.
    fetch: fetchBy(requester, signal),
  }).catch((error: unknown) => {
    throw hubError(error, source, host);
  });
  return paths.map((path) => {
    const info = found.find((file) => file.path === path && file.type === 'file');
    if (info === undefined)
      throw new DownloadError(`${host} has no file ${path} in ${source.repo} at ${source.revision}.`);
    return expectationOf({ path, size: info.size, oid: info.oid, lfs: info.lfs }, host);
  });
}

interface ReportedFile {
  readonly path: string;
  readonly size: unknown;
  readonly oid: unknown;
  readonly lfs: { readonly oid?: unknown; readonly size?: unknown } | undefined;
}

function expectationOf({ path, size, oid, lfs }: ReportedFile, host: string): HubFile {
  const sizeBytes = lfs?.size ?? size;
  if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes) || sizeBytes <= 0)
    throw new DownloadRefusedError(`${host} tells no usable size of ${path}.`);
  const sha256 = typeof lfs?.oid === 'string' ? lfs.oid.replace(/^sha256:/, '').toLowerCase() : undefined;
  if (sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256)) return { sizeBytes, sha256 };
  if (lfs === undefined && typeof oid === 'string' && /^[0-9a-f]{40}$/.test(oid))
    return { sizeBytes, gitSha1: oid };
  throw new DownloadRefusedError(`${host} tells no hash of ${path}, so that it could not be checked.`);
}

/** `fetch` as the hub's package calls it, by our own requests: redirects are looked at and no body is decoded. */
function fetchBy(requester: HubRequester, signal: AbortSignal | undefined): typeof fetch {
  return async (input, init = {}) => {
    const wanted: HubRequest = {
      method: init.method === 'POST' ? 'POST' : 'GET',
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(typeof init.body === 'string' ? { body: init.body } : {}),
      signal,
    };
    const response = await requester.request(String(input), wanted);
    const body = await readSmall(response, signal);
    return new Response(body.length === 0 ? null : body, {
      status: response.status,
      headers: Object.fromEntries(response.headers),
    });
  };
}

async function readSmall(
  response: HubResponse,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const { host } = response;
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of response.pieces()) {
      bytes += piece.length;
      if (bytes > MAXIMUM_ANSWER_BYTES)
        throw new DownloadError(`${host} answers a question about files with too many bytes.`);
      pieces.push(piece);
    }
  } catch (error) {
    throw DownloadError.from(error, host, signal);
  }
  return new Uint8Array(Buffer.concat(pieces));
}

function hubError(error: unknown, source: ModelSource, host: string): StenographerError {
  if (error instanceof StenographerError) return error;
  const status = (error as Partial<HubApiError>).statusCode;
  if (typeof status === 'number') return statusError(status, `${source.repo} at ${source.revision}`, host);
  return new DownloadError(`${host} answers a question about files with something that is none.`, {
    cause: error,
  });
}

/** A status that is not the wanted one, for a repository or a file of it. */
export function statusError(
  status: number,
  what: string,
  host: string,
  retryAfter?: string,
): StenographerError {
  if (status === 401 || status === 403)
    return new DownloadError(
      `${host} does not give ${what} to everybody (status ${status}). Accept its terms on the hub's page where it has some, and set HF_TOKEN to a token that may read it.`,
    );
  if (status === 404 || status === 410)
    return new DownloadError(
      `${host} has no ${what} (status ${status}). A newer version of Stenographer may know where it is now.`,
    );
  const transient = status === 408 || status === 429 || status >= 500;
  const seconds = /^\d{1,5}$/.test(retryAfter ?? '') ? Number(retryAfter) : undefined;
  return new DownloadError(`${host} answered ${what} with status ${status}.`, {
    transient,
    retryAfterMs: seconds === undefined ? undefined : seconds * 1000,
  });
}
