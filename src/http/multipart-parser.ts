import { StenographerError } from '../errors.ts';
import { type ParametrisedHeader, parseParametrisedHeader } from './header-parameters.ts';

/** What one part says about itself. */
export interface PartHeaders {
  readonly name: string;
  /** Whether the writer marked the part as a file; the client's name for it never touches a path. */
  readonly hasFilename: boolean;
  /** Lower-case media type without parameters, when given. */
  readonly contentType: string | undefined;
  /** Content-Disposition and Content-Type as they came, for a form that is sent on. */
  readonly raw?: { readonly disposition: string; readonly contentType: string | undefined };
}

/** Receives the parts in order: `partBegin`, any number of `partData`, `partEnd`. Throwing ends the parsing. */
export interface PartHandler {
  partBegin(headers: PartHeaders): void;
  partData(bytes: Buffer): void;
  partEnd(): void;
}

const CRLF = '\r\n';
const LF = '\n';
const MAXIMUM_PREAMBLE_BYTES = 64 * 1024;
const MAXIMUM_HEADER_BYTES = 16 * 1024;
const MAXIMUM_HEADERS = 32;
const MAXIMUM_PARTS = 1110;
const MAXIMUM_BOUNDARY_LENGTH = 200;

type State = 'preamble' | 'delimiter' | 'headers' | 'body-start' | 'body' | 'epilogue';

/**
 * Streaming multipart/form-data (RFC 7578), fed in chunks of any size. Everything that is not well-formed throws
 * `invalid_multipart` at once: a part cut short, over-long or foreign headers, a missing closing boundary.
 *
 * States, in order: `preamble` (until the first boundary) -> `delimiter` (what follows a boundary) -> `headers` -> `body-start` ->
 * `body` -> `delimiter` ... -> `epilogue` (after the closing boundary; ignored).
 *
 * Lines end with CRLF. When the first boundary's line ends with a bare LF, as hand-made clients write it, all of the form must.
 *
 * Our own because the refusals must be exact: the parser of @fastify/multipart skips damaged parts, cuts long headers silently and
 * reports half of the malformed shapes as server errors.
 */
export class MultipartParser {
  readonly #handler: PartHandler;
  readonly #boundary: string;
  #lineEnd = CRLF;
  #delimiter: Buffer;
  #headersEnd = Buffer.from(CRLF + CRLF);
  #state: State = 'preamble';
  // The first boundary has no line before it; this makes it look like the others.
  #buffer: Buffer = Buffer.from(CRLF);
  #preambleBytes = 0;
  #parts = 0;

  constructor(boundary: string, handler: PartHandler) {
    this.#handler = handler;
    this.#boundary = boundary;
    this.#delimiter = Buffer.from(`\n--${boundary}`, 'latin1');
  }

  write(chunk: Buffer): void {
    if (this.#state === 'epilogue') return;
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    while (this.#step());
  }

  /** To be called when the input has ended. */
  finish(): void {
    if (this.#state === 'epilogue') return;
    throw malformed(
      this.#state === 'preamble'
        ? 'the boundary named in Content-Type does not occur in it'
        : 'it ends before its closing boundary',
    );
  }

  /** One piece of progress; false when more input is needed. */
  #step(): boolean {
    switch (this.#state) {
      case 'preamble':
        return this.#skipPreamble();
      case 'delimiter':
        return this.#readDelimiterEnd();
      case 'headers':
        return this.#readHeaders();
      case 'body-start':
        return this.#startBody();
      case 'body':
        return this.#readBody();
      case 'epilogue':
        this.#buffer = Buffer.alloc(0);
        return false;
    }
  }

  #skipPreamble(): boolean {
    const start = this.#buffer.indexOf(this.#delimiter);
    if (start !== -1) return this.#advance(start + this.#delimiter.length, 'delimiter');
    const skipped = Math.max(0, this.#buffer.length - this.#delimiter.length + 1);
    this.#preambleBytes += skipped;
    if (this.#preambleBytes > MAXIMUM_PREAMBLE_BYTES) this.finish();
    this.#buffer = this.#buffer.subarray(skipped);
    return false;
  }

  #readDelimiterEnd(): boolean {
    if (this.#buffer.length < 2) return false;
    if (this.#buffer.toString('latin1', 0, 2) === '--') return this.#advance(2, 'epilogue');
    const lineEnd = this.#findLineEnd();
    const padding = this.#buffer.toString('latin1', 0, lineEnd === -1 ? this.#buffer.length : lineEnd);
    if (!/^[ \t]*\r?$/.test(padding) || padding.length > MAXIMUM_BOUNDARY_LENGTH)
      throw malformed('a boundary line has something else on it');
    if (lineEnd === -1) return false;
    this.#parts += 1;
    if (this.#parts > MAXIMUM_PARTS) throw malformed(`it has more than ${MAXIMUM_PARTS} parts`);
    // The line end stays: an empty header block is then the same CRLF CRLF as any other.
    return this.#advance(lineEnd, 'headers');
  }

  /** The first boundary's line decides how the lines of this form end. */
  #findLineEnd(): number {
    if (this.#parts === 0) {
      const lineFeed = this.#buffer.indexOf(LF);
      if (lineFeed === -1) return -1;
      this.#lineEnd = this.#buffer[lineFeed - 1] === 0x0d ? CRLF : LF;
      this.#delimiter = Buffer.from(`${this.#lineEnd}--${this.#boundary}`, 'latin1');
      this.#headersEnd = Buffer.from(this.#lineEnd + this.#lineEnd);
    }
    return this.#buffer.indexOf(this.#lineEnd);
  }

  #readHeaders(): boolean {
    const end = this.#buffer.indexOf(this.#headersEnd);
    if ((end === -1 ? this.#buffer.length : end) > MAXIMUM_HEADER_BYTES)
      throw malformed(`the headers of a part are longer than ${MAXIMUM_HEADER_BYTES} bytes`);
    if (end === -1) return false;
    const block = this.#buffer.toString('utf8', Math.min(this.#lineEnd.length, end), end);
    this.#handler.partBegin(readPartHeaders(block, this.#lineEnd));
    return this.#advance(end + this.#lineEnd.length, 'body-start');
  }

  /** The blank line after the headers may itself begin the next boundary: then the part is empty. */
  #startBody(): boolean {
    const start = this.#buffer.subarray(0, this.#delimiter.length);
    if (!start.equals(this.#delimiter.subarray(0, start.length)))
      return this.#advance(this.#lineEnd.length, 'body');
    return start.length === this.#delimiter.length && this.#endPart(0);
  }

  #readBody(): boolean {
    const end = this.#buffer.indexOf(this.#delimiter);
    const known = end === -1 ? this.#possibleDelimiterStart() : end;
    if (known > 0) this.#handler.partData(this.#buffer.subarray(0, known));
    if (end !== -1) return this.#endPart(end);
    this.#buffer = this.#buffer.subarray(known);
    return false;
  }

  /** Where a delimiter that is not complete yet could begin. */
  #possibleDelimiterStart(): number {
    const from = Math.max(0, this.#buffer.length - this.#delimiter.length + 1);
    const start = this.#buffer.indexOf(this.#lineEnd.charCodeAt(0), from);
    return start === -1 ? this.#buffer.length : start;
  }

  #endPart(end: number): true {
    this.#handler.partEnd();
    return this.#advance(end + this.#delimiter.length, 'delimiter');
  }

  #advance(bytes: number, state: State): true {
    this.#buffer = this.#buffer.subarray(bytes);
    this.#state = state;
    return true;
  }
}

/** The boundary of a multipart/form-data Content-Type, or undefined for another type. Throws when the boundary is missing. */
export function multipartBoundary(contentType: string | undefined): string | undefined {
  if (contentType === undefined || !/^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType)) return undefined;
  const boundary = parseParametrisedHeader(contentType)?.parameters.get('boundary');
  if (boundary === undefined || boundary === '' || boundary.length > MAXIMUM_BOUNDARY_LENGTH)
    throw malformed('its Content-Type header names no usable boundary');
  return boundary;
}

export function malformed(reason: string): StenographerError {
  return new StenographerError('invalid_multipart', `The multipart form could not be parsed: ${reason}.`);
}

function readPartHeaders(block: string, lineEnd: string): PartHeaders {
  const headers = splitHeaders(block, lineEnd);
  const disposition = parseDisposition(headers.get('content-disposition'));
  const encoding = headers.get('content-transfer-encoding')?.trim().toLowerCase() ?? 'binary';
  if (!['binary', '7bit', '8bit'].includes(encoding))
    throw malformed('a part has a Content-Transfer-Encoding; send its bytes as they are');
  const name = disposition.parameters.get('name') ?? '';
  if (name === '' || name.length > 256) throw malformed('a part has no usable name');
  return {
    name,
    hasFilename: disposition.parameters.has('filename') || disposition.parameters.has('filename*'),
    contentType: headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase(),
    raw: {
      disposition: headers.get('content-disposition') ?? '',
      contentType: headers.get('content-type'),
    },
  };
}

function splitHeaders(block: string, lineEnd: string): Map<string, string> {
  const unfolded = block.replaceAll(new RegExp(`${lineEnd}[ \\t]+`, 'g'), ' ');
  const lines = block === '' ? [] : unfolded.split(lineEnd);
  if (lines.length > MAXIMUM_HEADERS) throw malformed(`a part has more than ${MAXIMUM_HEADERS} headers`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
    const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)$/.exec(line);
    const name = match?.[1]?.toLowerCase();
    if (name === undefined || headers.has(name)) throw malformed('a part has a damaged or repeated header');
    headers.set(name, match?.[2]?.trim() ?? '');
  }
  return headers;
}

function parseDisposition(header: string | undefined): ParametrisedHeader {
  const disposition = header === undefined ? undefined : parseParametrisedHeader(header);
  if (disposition?.value !== 'form-data')
    throw malformed('a part has no Content-Disposition of the form: form-data; name="..."');
  return disposition;
}
