import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** What is known of a file; each fact that is there must be right. */
export interface FileExpectation {
  readonly sizeBytes?: number | undefined;
  readonly sha256?: string | undefined;
  readonly sha1?: string | undefined;
  /** The id git gives a file: SHA-1 over `blob <size>\0` and the bytes. Needs `sizeBytes`. */
  readonly gitSha1?: string | undefined;
}

export interface FileDigest {
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Those that were asked for. */
  readonly sha1?: string;
  readonly gitSha1?: string;
}

/** Hashes a file while it goes by. */
export class FileHasher {
  readonly #sha256 = createHash('sha256');
  readonly #sha1;
  readonly #gitSha1;
  #sizeBytes = 0;

  constructor(wanted: FileExpectation) {
    this.#sha1 = wanted.sha1 === undefined ? undefined : createHash('sha1');
    this.#gitSha1 =
      wanted.gitSha1 === undefined ? undefined : createHash('sha1').update(`blob ${wanted.sizeBytes ?? 0}\0`);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  update(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    this.#sha256.update(bytes);
    this.#sha1?.update(bytes);
    this.#gitSha1?.update(bytes);
  }

  digest(): FileDigest {
    return {
      sizeBytes: this.#sizeBytes,
      sha256: this.#sha256.digest('hex'),
      ...(this.#sha1 === undefined ? {} : { sha1: this.#sha1.digest('hex') }),
      ...(this.#gitSha1 === undefined ? {} : { gitSha1: this.#gitSha1.digest('hex') }),
    };
  }
}

/** What is wrong with the file, in words; undefined: it is what was expected. */
export function differenceFrom(expected: FileExpectation, actual: FileDigest): string | undefined {
  if (expected.sizeBytes !== undefined && actual.sizeBytes !== expected.sizeBytes)
    return `it has ${actual.sizeBytes} bytes, not ${expected.sizeBytes}`;
  const hashes = [
    ['SHA-256', expected.sha256, actual.sha256],
    ['SHA-1', expected.sha1, actual.sha1],
    ['git hash', expected.gitSha1, actual.gitSha1],
  ] as const;
  for (const [name, wanted, found] of hashes)
    if (wanted !== undefined && wanted !== found) return `its ${name} is ${found}, not ${wanted}`;
  return undefined;
}

/** Reads a whole file; other work of the process goes on between the pieces. Throws the signal's AbortError. */
export async function digestFile(
  path: string,
  expected: FileExpectation = {},
  signal?: AbortSignal,
): Promise<FileDigest> {
  const hasher = new FileHasher(expected);
  const pieces = createReadStream(path, {
    highWaterMark: 256 * 1024,
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const piece of pieces as AsyncIterable<Buffer>) hasher.update(piece);
  return hasher.digest();
}
