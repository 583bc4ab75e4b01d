import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

type Sdk = typeof import('openai');

export interface OpenAiSdk
  extends Pick<
    Sdk,
    | 'OpenAI'
    | 'toFile'
    | 'APIError'
    | 'AuthenticationError'
    | 'BadRequestError'
    | 'InternalServerError'
    | 'NotFoundError'
  > {
  readonly version: string;
  /** Streams of transcriptions came with 4.88. */
  readonly streams: boolean;
  /** Up to 4 an upload that is tried again has lost its body, and a web response without a URL is no file. */
  readonly retriesUploads: boolean;
  /** Request ids on results and errors came with 4.62. */
  readonly tellsRequestId: boolean;
}

/**
 * The official client: the package `openai`, or the one named in STENO_TEST_SDK (a package, or the path of its entry). All versions are treated as
 * the one of the lock file: what older ones lack is told by the flags.
 */
export async function loadOpenAiSdk(name = process.env.STENO_TEST_SDK ?? 'openai'): Promise<OpenAiSdk> {
  const sdk = (await import(name)) as Sdk;
  const entry = createRequire(import.meta.url).resolve(name);
  const { version } = JSON.parse(await readFile(join(dirname(entry), 'package.json'), 'utf8')) as {
    version: string;
  };
  const { toFile, APIError, AuthenticationError, BadRequestError, InternalServerError, NotFoundError } = sdk;
  return {
    OpenAI: sdk.default,
    toFile,
    APIError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    version,
    streams: isAtLeast(version, 4, 88),
    retriesUploads: isAtLeast(version, 5, 0),
    tellsRequestId: isAtLeast(version, 4, 62),
  };
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
