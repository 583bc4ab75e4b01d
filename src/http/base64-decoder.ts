import { InvalidRequestError } from '../errors.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BLOCK_CHARACTERS = 64 * 1024;
const MAXIMUM_DATA_URL_PREFIX = 200;

/**
 * Decodes the inside of a JSON string that holds base64 (either alphabet, line breaks allowed) or a base64 data URL, in pieces, up to the
 * closing quote. Escapes are understood: writers of JSON escape `/` and `+`. Throws for anything that is not base64.
 */
export class Base64Decoder {
  readonly #param: string;
  readonly #onBytes: (bytes: Buffer) => void;
  readonly #characters = Buffer.allocUnsafe(BLOCK_CHARACTERS);
  #length = 0;
  #padding = 0;
  #escape: string | undefined;
  /** The beginning, until it is known whether it is a data URL. */
  #prefix: string | undefined = '';
  /** Whether the closing quote was read. */
  ended = false;

  /** `param` names the field in errors. */
  constructor(param: string, onBytes: (bytes: Buffer) => void) {
    this.#param = param;
    this.#onBytes = onBytes;
  }

  /** Reads from `start` on; gives the position after what was read: the end of the chunk, or after the closing quote. */
  write(chunk: Buffer, start: number): number {
    for (let index = start; index < chunk.length; index += 1) {
      const byte = chunk[index] ?? 0;
      if (this.#escape !== undefined) this.#readEscape(byte);
      else if (byte === BACKSLASH) this.#escape = '';
      else if (byte === QUOTE) {
        this.#finish();
        return index + 1;
      } else this.#readCharacter(byte);
    }
    return chunk.length;
  }

  #readEscape(byte: number): void {
    const read = this.#escape + String.fromCharCode(byte);
    if (read.startsWith('u') && read.length < 5) {
      this.#escape = read;
      return;
    }
    this.#escape = undefined;
    if (/^u00[0-7][0-9a-f]$/i.test(read)) this.#readCharacter(Number.parseInt(read.slice(1), 16));
    else if (read === '/') this.#readCharacter(0x2f);
    else if (!/^[nrt]$/.test(read)) throw notBase64(this.#param);
  }

  #readCharacter(byte: number): void {
    if (this.#prefix === undefined) this.#take(byte);
    else this.#readPrefix(this.#prefix + String.fromCharCode(byte));
  }

  /** The alphabet of base64 has no colon, so five characters decide. */
  #readPrefix(prefix: string): void {
    this.#prefix = prefix;
    const isDataUrl = 'data:'.startsWith(prefix.slice(0, 5).toLowerCase());
    if (isDataUrl && !prefix.endsWith(',')) {
      if (prefix.length > MAXIMUM_DATA_URL_PREFIX) throw notBase64(this.#param);
      return;
    }
    this.#prefix = undefined;
    if (!isDataUrl) for (const character of prefix) this.#take(character.charCodeAt(0));
    else if (!/;base64,$/i.test(prefix)) throw notBase64(this.#param);
  }

  #take(byte: number): void {
    if (byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)) return;
    if (byte === 0x3d) this.#padding += 1;
    else if (this.#padding > 0 || !isBase64(byte)) throw notBase64(this.#param);
    else {
      this.#characters[this.#length] = byte;
      this.#length += 1;
      if (this.#length === BLOCK_CHARACTERS) this.#flush();
    }
    if (this.#padding > 2) throw notBase64(this.#param);
  }

  #flush(): void {
    this.#onBytes(Buffer.from(this.#characters.toString('latin1', 0, this.#length), 'base64'));
    this.#length = 0;
  }

  #finish(): void {
    const prefix = this.#prefix;
    this.#prefix = undefined;
    if (prefix !== undefined) for (const character of prefix) this.#take(character.charCodeAt(0));
    // A last group of one character would be six bits of nothing.
    if (this.#length % 4 === 1) throw notBase64(this.#param);
    this.#flush();
    this.ended = true;
  }
}

function isBase64(byte: number): boolean {
  return (
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2b ||
    byte === 0x2f ||
    byte === 0x2d ||
    byte === 0x5f
  );
}

function notBase64(param: string): InvalidRequestError {
  return new InvalidRequestError(param, 'The recording must be base64, or a data URL in base64.');
}
