import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonFormParser } from './json-form-parser.ts';

interface CollectedForm {
  readonly fields: [name: string, value: string][];
  file: Buffer | undefined;
}

function collect(chunks: readonly Buffer[]): CollectedForm {
  const form: CollectedForm = { fields: [], file: undefined };
  let name = '';
  let isFile = false;
  let pieces: Buffer[] = [];
  const parser = new JsonFormParser({
    partBegin(headers) {
      name = headers.name;
      isFile = headers.hasFilename;
      pieces = [];
    },
    partData(bytes) {
      pieces.push(Buffer.from(bytes));
    },
    partEnd() {
      const body = Buffer.concat(pieces);
      if (isFile) form.file = body;
      else form.fields.push([name, body.toString()]);
    },
  });
  for (const chunk of chunks) parser.write(chunk);
  parser.finish();
  return form;
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let start = 0, index = 0; start < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    chunks.push(bytes.subarray(start, start + size));
    start += size;
  }
  return chunks;
}

const recording = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const name = fc
  .string({ minLength: 1, maxLength: 12 })
  .filter((text) => !['file', 'input_audio', '__proto__'].includes(text));
const fields = fc.dictionary(
  name,
  fc.oneof(fc.string({ unit: 'binary' }), fc.double(), fc.boolean(), fc.jsonValue({ maxDepth: 2 })),
  {
    maxKeys: 5,
  },
);

describe('JsonFormParser', () => {
  it('gives the recording and the fields, wherever the input is cut', () => {
    fc.assert(
      fc.property(
        recording,
        fields,
        fc.constantFrom('file', 'input_audio'),
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }),
        (bytes, others, place, first, sizes) => {
          const data = bytes.toString('base64');
          const audio = place === 'file' ? { file: data } : { input_audio: { format: 'wav', data } };
          const body = Buffer.from(JSON.stringify(first ? { ...audio, ...others } : { ...others, ...audio }));
          const form = collect(cut(body, sizes));
          expect(form.file?.equals(bytes)).toBe(true);
          expect(form).toEqual(collect([body]));
          const plain = JSON.parse(JSON.stringify(others)) as Record<string, unknown>;
          for (const [key, value] of Object.entries(plain))
            if (typeof value === 'string')
              expect(form.fields).toContainEqual([key, Buffer.from(value).toString()]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('takes only the two places for a recording', () => {
    const form = collect([
      Buffer.from(
        '{"data":"AAAA","x":{"file":"BBBB"},"l":[{"file":"CCCC"}],"input_audio":{"x":{"data":"DDDD"}}}',
      ),
    ]);
    expect(form.file).toBeUndefined();
    expect(form.fields).toEqual([
      ['data', 'AAAA'],
      ['x[file]', 'BBBB'],
      ['l[]', '{"file":"CCCC"}'],
    ]);
  });

  it('refuses any other text, and never hangs', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        let value: unknown;
        try {
          value = JSON.parse(text);
        } catch {
          expect(() => collect([Buffer.from(text)])).toThrow(/JSON body/);
          return;
        }
        if (typeof value !== 'object' || value === null || Array.isArray(value))
          expect(() => collect([Buffer.from(text)])).toThrow(/JSON body/);
      }),
      { numRuns: 300 },
    );
  });
});
