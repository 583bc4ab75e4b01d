import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MultipartParser, multipartBoundary, type PartHeaders } from './multipart-parser.ts';

const BOUNDARY = 'b0undary';

interface CollectedPart extends PartHeaders {
  readonly body: string;
}

function collect(chunks: readonly Buffer[]): CollectedPart[] {
  const parts: CollectedPart[] = [];
  let headers: PartHeaders | undefined;
  let body: Buffer[] = [];
  const parser = new MultipartParser(BOUNDARY, {
    partBegin(begun) {
      headers = begun;
      body = [];
    },
    partData(bytes) {
      body.push(Buffer.from(bytes));
    },
    partEnd() {
      if (headers !== undefined) parts.push({ ...headers, body: Buffer.concat(body).toString('latin1') });
    },
  });
  for (const chunk of chunks) parser.write(chunk);
  parser.finish();
  return parts;
}

function encode(bodies: readonly Buffer[]): Buffer {
  const pieces = bodies.flatMap((body, index) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="part${index}"\r\n\r\n`),
    body,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let start = 0;
  for (let index = 0; start < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    chunks.push(bytes.subarray(start, start + size));
    start += size;
  }
  return chunks;
}

/** Bytes full of line ends, dashes and beginnings of the boundary. */
const trickyBody = fc
  .array(
    fc.oneof(
      fc.constantFrom('\r', '\n', '-', '\r\n', `\r\n--${BOUNDARY.slice(0, 5)}`, `--${BOUNDARY}`),
      fc.string(),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(''))
  .filter((text) => !`\r\n${text}\r\n`.includes(`\r\n--${BOUNDARY}`))
  .map((text) => Buffer.from(text, 'latin1'));

describe('MultipartParser', () => {
  it('gives every part its bytes, however the input is cut', () => {
    fc.assert(
      fc.property(
        fc.array(trickyBody, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (bodies, sizes) => {
          const parts = collect(cut(encode(bodies), sizes));
          expect(parts.map(({ body }) => body)).toEqual(bodies.map((body) => body.toString('latin1')));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('takes no prefix of a form for a whole one', () => {
    const form = encode([Buffer.from('one'), Buffer.from('two')]);
    const whole = form.length - '\r\n'.length;
    for (let length = 0; length < whole; length += 1)
      expect(() => collect([form.subarray(0, length)]), `length ${length}`).toThrow();
    expect(collect([form.subarray(0, whole)])).toHaveLength(2);
  });

  it('throws only its own error on changed bytes, and never hangs', () => {
    const form = encode([Buffer.from('some text'), Buffer.alloc(200, 7)]);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: form.length - 1 }),
        fc.integer({ min: 0, max: 255 }),
        (position, value) => {
          const changed = Buffer.from(form);
          changed[position] = value;
          try {
            collect([changed]);
          } catch (error) {
            expect(error).toMatchObject({ code: 'invalid_multipart' });
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('reads a part that ends with its headers as empty', () => {
    const form = `--${BOUNDARY}\r\nContent-Disposition: form-data; name=a\r\n\r\n--${BOUNDARY}--`;
    expect(collect([Buffer.from(form)])).toMatchObject([{ name: 'a', body: '' }]);
  });

  it('reads headers of all writers', () => {
    const header = (line: string) =>
      collect([Buffer.from(`--${BOUNDARY}\r\n${line}\r\n\r\nx\r\n--${BOUNDARY}--`)])[0];
    expect(header('content-disposition:form-data;name=file;filename=a.wav')).toMatchObject({
      name: 'file',
      hasFilename: true,
    });
    expect(header("Content-Disposition: form-data; name=file; filename*=utf-8''a%20b")).toMatchObject({
      hasFilename: true,
    });
    expect(header('Content-Disposition: form-data; name="a\\"b"')).toMatchObject({
      name: 'a"b',
      hasFilename: false,
    });
    expect(header('Content-Disposition: form-data; name="file"; filename="C:\\x\\y;z=1.wav"')).toMatchObject({
      name: 'file',
    });
    expect(header('Content-Disposition: form-data; name="é"\r\nContent-Type: Audio/WAV; q=1')).toMatchObject({
      name: 'é',
      contentType: 'audio/wav',
    });
  });
});

describe('multipartBoundary', () => {
  it('reads bare and quoted boundaries', () => {
    expect(multipartBoundary('multipart/form-data; boundary=abc')).toBe('abc');
    expect(multipartBoundary('Multipart/Form-Data; charset=utf-8; BOUNDARY="a=b_c d"')).toBe('a=b_c d');
  });

  it('tells other types from a missing boundary', () => {
    expect(multipartBoundary(undefined)).toBeUndefined();
    expect(multipartBoundary('application/json')).toBeUndefined();
    expect(() => multipartBoundary('multipart/form-data')).toThrow('boundary');
  });
});
