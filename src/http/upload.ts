import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { AudioSource } from '../audio/audio.ts';
import { AbortedError, StenographerError } from '../errors.ts';
import { type BodyFormat, createFormParser } from './body-format.ts';
import { gatherChunks } from './gather-chunks.ts';
import { UploadCollector } from './upload-collector.ts';
import { watchPace } from './upload-pace.ts';

/** One field beside the recording, as it was sent. */
export interface FormField {
  readonly name: string;
  readonly value: string;
  /** Sent as a file, although it is not the recording: then the value is empty, and the bytes are forgotten. */
  readonly isFile?: true;
}

export interface Upload {
  /** In the order sent; duplicates are kept. */
  readonly fields: readonly FormField[];
  /** The part named `file`, whole, on disk. */
  readonly file: AudioSource | undefined;
  /** What the client says of that part; undefined when it came in a JSON body. */
  readonly fileHeaders?: FileHeaders | undefined;
}

/** Headers of the part named `file`, as they came. */
export interface FileHeaders {
  /** Undefined when it names no file. */
  readonly disposition: string | undefined;
  readonly contentType: string | undefined;
}

export interface UploadOptions {
  readonly format: BodyFormat;
  /** Existing folder that receives the file; removing it is the caller's work. */
  readonly folder: string;
  /** Largest request body, all parts and boundaries counted. */
  readonly maximumBytes: number;
  /** An upload that sends nothing for so long is refused. */
  readonly idleSeconds: number;
  /** An upload that is slower over a minute is refused. */
  readonly minimumBytesPerSecond: number;
  /** Whether clips of voices may come as text fields, for services that can use them. Default no: such a field is too long. */
  readonly takesReferences?: boolean;
  /** Called now and then while bytes come; rejects when the disk is too full to go on. */
  readonly checkSpace?: () => Promise<void>;
}

const SPACE_CHECK_BYTES = 16 * 1024 * 1024;

/**
 * Reads a form to its end: the part `file` to disk, text fields to memory. Parts may come in any order. Memory stays
 * bounded because the socket waits for the disk. Throws for a form that is malformed, too large, too slow, or whose client left; the
 * rest of the body is then unread.
 */
export function receiveUpload(body: IncomingMessage, options: UploadOptions): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const collector = new UploadCollector(
      join(options.folder, 'upload'),
      { onDrain, onError: fail },
      options,
    );
    const parser = createFormParser(options.format, collector);
    const gatherer = gatherChunks(parse, fail);
    const watch = watchPace(options, fail);
    let receivedBytes = 0;
    let nextCheckBytes = SPACE_CHECK_BYTES;
    let ended = false;
    let failed = false;

    body.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone);
    if (body.destroyed && !body.readableEnded) onGone();

    function onData(chunk: Buffer): void {
      receivedBytes += chunk.length;
      watch.received(chunk.length);
      try {
        if (receivedBytes > options.maximumBytes) throw tooLarge(options.maximumBytes, receivedBytes);
        if (receivedBytes >= nextCheckBytes) {
          nextCheckBytes = receivedBytes + SPACE_CHECK_BYTES;
          options.checkSpace?.().catch(fail);
        }
        gatherer.write(chunk);
      } catch (error) {
        fail(error);
      }
    }

    function parse(bytes: Buffer): void {
      parser.write(bytes);
      if (!collector.full) return;
      watch.hold();
      body.pause();
    }

    function onDrain(): void {
      watch.goOn();
      body.resume();
    }

    function onEnd(): void {
      ended = true;
      watch.stop();
      try {
        gatherer.flush();
        parser.finish();
        collector.finish().then((upload) => {
          release();
          resolve(upload);
        }, fail);
      } catch (error) {
        fail(error);
      }
    }

    function onGone(): void {
      if (!ended) fail(new AbortedError());
    }

    function fail(error: unknown): void {
      // The first cause counts: ending the writer makes errors of its own.
      if (failed) return;
      failed = true;
      release();
      body.pause();
      void collector.destroy().then(() => reject(error));
    }

    function release(): void {
      watch.stop();
      gatherer.stop();
      body.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone);
      // Whoever drains the rest later must not be hit by the socket's end as an uncaught error.
      body.on('error', () => {});
    }
  });
}

export function tooLarge(maximumBytes: number, receivedBytes: number): StenographerError {
  return new StenographerError(
    'file_too_large',
    `The request body is larger than ${maximumBytes} bytes, the limit set by STENO_MAX_UPLOAD_BYTES (${receivedBytes} bytes came or were announced).`,
    { param: 'file' },
  );
}
