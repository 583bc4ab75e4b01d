import { StenographerError } from '../errors.ts';
import { JsonFormParser } from './json-form-parser.ts';
import { MultipartParser, multipartBoundary, type PartHandler } from './multipart-parser.ts';

/** How a form is written into a request body. */
export type BodyFormat =
  | { readonly type: 'multipart'; readonly boundary: string }
  | { readonly type: 'json' };

/** Reads a body in pieces and tells its parts. Throws for what is not well-formed. */
export interface FormParser {
  write(chunk: Buffer): void;
  /** To be called when the input has ended. */
  finish(): void;
}

/** The format a Content-Type header names. Throws for one we do not read. */
export function bodyFormat(contentType: string | undefined): BodyFormat {
  const boundary = multipartBoundary(contentType);
  if (boundary !== undefined) return { type: 'multipart', boundary };
  if (contentType !== undefined && /^\s*application\/json\s*(?:;|$)/i.test(contentType))
    return { type: 'json' };
  throw unsupportedContentType(contentType);
}

export function createFormParser(format: BodyFormat, handler: PartHandler): FormParser {
  return format.type === 'json' ? new JsonFormParser(handler) : new MultipartParser(format.boundary, handler);
}

function unsupportedContentType(contentType: string | undefined): StenographerError {
  const media = contentType?.split(';', 1)[0]?.trim() ?? '';
  const received = /^[\w.+-]{1,64}\/[\w.+-]{1,64}$/.test(media) ? media : 'no readable media type';
  return new StenographerError(
    'unsupported_content_type',
    `The request has Content-Type ${received}; send multipart/form-data with the recording in the field file ` +
      '(or application/json with the recording in base64 as input_audio.data).',
  );
}
