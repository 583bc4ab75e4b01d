import { createWriteStream, type WriteStream } from 'node:fs';
import { InvalidRequestError } from '../errors.ts';
import { malformed, type PartHandler, type PartHeaders } from './multipart-parser.ts';
import type { FileHeaders, FormField, Upload } from './upload.ts';

/** Room for a vocabulary of 1,000 terms, each a part of its own. */
const MAXIMUM_FIELDS = 1100;
const MAXIMUM_FIELD_BYTES = 64 * 1024;
/** Room for most fields; it grows with longer ones. */
const FIRST_FIELD_BYTES = 1024;
const MAXIMUM_TEXT_BYTES = 512 * 1024;
/** Voices to compare with, as data URLs: at most four clips of 2 to 10 s. Other services can use them. */
const REFERENCE_FIELD = /^known_speaker_references(?:\[\d*\])?$/;
const MAXIMUM_REFERENCE_BYTES = 1024 * 1024;
const MAXIMUM_REFERENCES = 4;
const FILE_BLOCK_BYTES = 64 * 1024;

interface CollectorEvents {
  readonly onDrain: () => void;
  readonly onError: (error: unknown) => void;
}

export interface CollectorOptions {
  /** Whether clips of voices may come as text. */
  readonly takesReferences?: boolean | undefined;
}

/** Sorts parts into text fields and the one file. Bytes are copied into blocks: pieces may be one byte long. */
export class UploadCollector implements PartHandler {
  readonly #path: string;
  readonly #events: CollectorEvents;
  readonly #takesReferences: boolean;
  readonly #fields: FormField[] = [];
  #target: 'field' | 'file' | 'ignored' = 'ignored';
  #field = Buffer.allocUnsafe(FIRST_FIELD_BYTES);
  #fieldLimit = MAXIMUM_FIELD_BYTES;
  #fieldName = '';
  #fieldBytes = 0;
  #textBytes = 0;
  #sink: WriteStream | undefined;
  #fileBytes = 0;
  #fileHeaders: FileHeaders | undefined;
  #block = Buffer.alloc(0);
  #blockBytes = 0;
  /** True while the disk is behind; `onDrain` tells when it has caught up. */
  full = false;

  constructor(path: string, events: CollectorEvents, { takesReferences = false }: CollectorOptions = {}) {
    this.#path = path;
    this.#events = events;
    this.#takesReferences = takesReferences;
  }

  partBegin(headers: PartHeaders): void {
    this.#target = partTarget(headers);
    if (this.#target === 'file') {
      this.#openSink();
      this.#fileHeaders = fileHeaders(headers);
    }
    if (this.#target === 'ignored') this.#fields.push({ name: headers.name, value: '', isFile: true });
    if (this.#target !== 'field') return;
    if (this.#fields.length >= MAXIMUM_FIELDS)
      throw malformed(`it has more than ${MAXIMUM_FIELDS} text fields`);
    this.#fieldName = headers.name;
    this.#fieldBytes = 0;
    const isReference = this.#takesReferences && REFERENCE_FIELD.test(headers.name);
    this.#fieldLimit = isReference ? MAXIMUM_REFERENCE_BYTES : MAXIMUM_FIELD_BYTES;
  }

  partData(bytes: Buffer): void {
    if (this.#target === 'file') this.#writeFile(bytes);
    if (this.#target !== 'field') return;
    if (this.#fieldBytes + bytes.length > this.#fieldLimit)
      throw malformed(`a text field is longer than ${this.#fieldLimit} bytes`);
    const most =
      MAXIMUM_TEXT_BYTES + (this.#takesReferences ? MAXIMUM_REFERENCES * MAXIMUM_REFERENCE_BYTES : 0);
    this.#textBytes += bytes.length;
    if (this.#textBytes > most) throw malformed(`its text fields are longer than ${most} bytes together`);
    this.#makeRoom(this.#fieldBytes + bytes.length);
    this.#fieldBytes += bytes.copy(this.#field, this.#fieldBytes);
  }

  partEnd(): void {
    if (this.#target !== 'field') return;
    this.#fields.push({ name: this.#fieldName, value: this.#field.toString('utf8', 0, this.#fieldBytes) });
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#field.length) return;
    const larger = Buffer.allocUnsafe(Math.min(this.#fieldLimit, Math.max(bytes, 2 * this.#field.length)));
    this.#field.copy(larger, 0, 0, this.#fieldBytes);
    this.#field = larger;
  }

  /** Waits until the file is on disk. */
  async finish(): Promise<Upload> {
    const sink = this.#sink;
    if (sink === undefined) return { fields: this.#fields, file: undefined };
    this.#flush(sink);
    await new Promise<void>((resolve, reject) => {
      sink.once('error', reject).once('close', resolve).end();
    });
    return {
      fields: this.#fields,
      file: { path: this.#path, sizeBytes: this.#fileBytes },
      fileHeaders: this.#fileHeaders,
    };
  }

  /** Waits until nothing writes any more. */
  async destroy(): Promise<void> {
    const sink = this.#sink;
    if (sink === undefined || sink.closed) return;
    await new Promise<void>((resolve) => {
      sink.once('close', resolve).destroy();
    });
  }

  #openSink(): void {
    if (this.#sink !== undefined)
      throw malformed('it has two parts named file; send one recording a request');
    this.#sink = createWriteStream(this.#path, {
      flags: 'wx',
      mode: 0o600,
      highWaterMark: 4 * FILE_BLOCK_BYTES,
    });
    this.#sink.on('error', this.#events.onError).on('drain', () => {
      this.full = false;
      this.#events.onDrain();
    });
  }

  #writeFile(bytes: Buffer): void {
    this.#fileBytes += bytes.length;
    for (let position = 0; position < bytes.length; ) {
      if (this.#block.length === 0) this.#block = Buffer.allocUnsafe(FILE_BLOCK_BYTES);
      const copied = bytes.copy(this.#block, this.#blockBytes, position);
      position += copied;
      this.#blockBytes += copied;
      if (this.#blockBytes === FILE_BLOCK_BYTES && this.#sink !== undefined) this.#flush(this.#sink);
    }
  }

  #flush(sink: WriteStream): void {
    if (this.#blockBytes === 0) return;
    if (!sink.write(this.#block.subarray(0, this.#blockBytes))) this.full = true;
    this.#block = Buffer.alloc(0);
    this.#blockBytes = 0;
  }
}

function fileHeaders({ raw, hasFilename }: PartHeaders): FileHeaders | undefined {
  if (raw === undefined) return undefined;
  return { disposition: hasFilename ? raw.disposition : undefined, contentType: raw.contentType };
}

/** Files beside the recording are read and forgotten; the form's checks hear of them. Text may carry any type. */
function partTarget({ name, hasFilename, contentType }: PartHeaders): 'field' | 'file' | 'ignored' {
  if (name !== 'file') return hasFilename ? 'ignored' : 'field';
  // Some Java clients send bytes without a file name; their media type still says that they are no text.
  const binary = contentType !== undefined && !/^(?:text\/|application\/json$)/.test(contentType);
  if (hasFilename || binary) return 'file';
  throw new InvalidRequestError(
    'file',
    'The field file must be a file upload (with a filename in its Content-Disposition), not text.',
  );
}
