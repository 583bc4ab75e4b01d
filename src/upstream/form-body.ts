import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { AudioSource } from '../audio/audio.ts';

/** A recording as its client sent it. */
export interface FormFile {
  readonly source: AudioSource;
  /** Value of Content-Disposition as it came; undefined when the client named no file. */
  readonly disposition: string | undefined;
  /** Content-Type as it came. */
  readonly contentType: string | undefined;
  /** Name for a file that came without one; services judge recordings by its extension. */
  readonly fallbackName: string;
}

export interface FormField {
  readonly name: string;
  readonly value: string;
}

/** multipart/form-data that can be sent again and again: each `open` reads the recording anew. */
export interface FormBody {
  readonly contentType: string;
  readonly sizeBytes: number;
  /** The caller reads it to its end or destroys it. */
  open(): Readable;
}

/** Fields in order, the recording last, as OpenAI's Python client writes them. Memory holds the fields and one block of the file. */
export function formBody(fields: readonly FormField[], file: FormFile): FormBody {
  const boundary = `steno-${randomBytes(18).toString('hex')}`;
  const head = Buffer.from(
    fields.map(({ name, value }) => textPart(boundary, name, value)).join('') + fileHead(boundary, file),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const { path, sizeBytes } = file.source;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    sizeBytes: head.length + sizeBytes + tail.length,
    open() {
      return Readable.from(read(), { objectMode: false, highWaterMark: 64 * 1024 });
      async function* read() {
        yield head;
        if (sizeBytes > 0) yield* createReadStream(path, { end: sizeBytes - 1 });
        yield tail;
      }
    },
  };
}

function textPart(boundary: string, name: string, value: string): string {
  return `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"\r\n\r\n${value}\r\n`;
}

function fileHead(boundary: string, { disposition, contentType, fallbackName }: FormFile): string {
  const named = disposition ?? `form-data; name="file"; filename="${escapeName(fallbackName)}"`;
  return `--${boundary}\r\nContent-Disposition: ${oneLine(named)}\r\nContent-Type: ${oneLine(contentType ?? 'application/octet-stream')}\r\n\r\n`;
}

/** https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data */
function escapeName(name: string): string {
  return name.replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22');
}

/** Headers were read from single lines; this keeps it true whatever the caller gives. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
