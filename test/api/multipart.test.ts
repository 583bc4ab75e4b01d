import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bestOf, timeMs } from '../support/best-of.ts';
import {
  BOUNDARY,
  encodeForm,
  expectEnvelope,
  fakeRecording,
  filePart,
  postForm,
  RawConnection,
  type RawPart,
  sendRaw,
  textPart,
} from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const RECORDING = fakeRecording();

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterEach(async () => {
  await expect.poll(() => server.scratchFiles()).toEqual([]);
});

afterAll(() => server.close());

function post(body: Buffer | string, contentType: string = TYPE) {
  return sendRaw(server.port, contentType, body);
}

function part(headers: readonly string[], body: Buffer | string = RECORDING): RawPart {
  return { headers, body };
}

describe('forms of real clients', () => {
  it('C55 file before fields and fields before file give the same answer', async () => {
    const fields = [textPart('model', 'whisper-1'), textPart('response_format', 'verbose_json')];
    const first = await postForm(server.url, { parts: [filePart(RECORDING), ...fields] });
    const last = await postForm(server.url, { parts: [...fields, filePart(RECORDING)] });
    expect(first.status).toBe(200);
    expect(JSON.parse(first.text)).toHaveProperty('segments');
    expect(last.text).toBe(first.text);
  });

  it('C56 openai-dotnet: unquoted names, quoted boundary with =, filename*, no part type', async () => {
    const boundary = 'f3c4_=12=ab';
    const parts = [
      part(
        [
          'Content-Disposition: form-data; name=file; filename="C:\\clips\\a.wav"; filename*=utf-8\'\'C%3A%5Cclips%5Ca.wav',
        ],
        RECORDING,
      ),
      part(
        ['Content-Type: text/plain; charset=utf-8', 'Content-Disposition: form-data; name=model'],
        'whisper-1',
      ),
      part(
        [
          'Content-Type: text/plain; charset=utf-8',
          'Content-Disposition: form-data; name="timestamp_granularities[]"',
        ],
        'segment',
      ),
    ];
    const answer = await post(encodeForm(parts, boundary), `multipart/form-data; boundary="${boundary}"`);
    expect(answer.status).toBe(200);
  });

  it('C57 file names with paths, UTF-8, quotes, or nothing to go by', async () => {
    for (const name of [
      '../../etc/passwd',
      'dir/a.wav',
      'C:\\dir\\a.wav',
      'Gespräch №1 – 会議.wav',
      'say \\"hi\\".wav',
      'recording 2026-11-23 10:11:12.webm',
      'mp3',
      'upload',
      '',
      'a;b=c.wav',
    ]) {
      const answer = await postForm(server.url, { file: filePart(RECORDING, name) });
      expect({ name, status: answer.status }).toEqual({ name, status: 200 });
    }
  });

  it('C58 a part type with parameters', async () => {
    for (const type of [
      'audio/webm; codecs=opus',
      'audio/webm;codecs="opus"',
      'text/plain',
      'application/json',
    ])
      expect((await postForm(server.url, { file: filePart(RECORDING, 'a.webm', type) })).status).toBe(200);
  });

  it('C61 openai-python: fields first, booleans in Python spelling, file last, as httpx writes them', async () => {
    const boundary = '5a6f1f3b0d4be37bc8b11e5cba6a6f2d';
    const body = Buffer.concat([
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n` +
          `--${boundary}\r\nContent-Disposition: form-data; name="temperature"\r\n\r\n0.0\r\n` +
          `--${boundary}\r\nContent-Disposition: form-data; name="stream"\r\n\r\nfalse\r\n` +
          `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\n` +
          'Content-Type: application/octet-stream\r\n\r\n',
      ),
      RECORDING,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    expect((await post(body, `multipart/form-data; boundary=${boundary}`)).status).toBe(200);
  });

  it('a file part without a name, by its media type (openai-java)', async () => {
    const headers = ['Content-Disposition: form-data; name="file"', 'Content-Type: application/octet-stream'];
    expect((await post(encodeForm([part(headers)]))).status).toBe(200);
  });

  it('a preamble, an epilogue, padding after boundaries, folded headers, odd case, no final line end', async () => {
    const body = Buffer.concat([
      Buffer.from(
        `this is ignored\r\n--${BOUNDARY} \t\r\ncontent-DISPOSITION: Form-Data;\r\n NAME="file"; filename=a.wav\r\n\r\n`,
      ),
      RECORDING,
      Buffer.from(`\r\n--${BOUNDARY}-- and so is this`),
    ]);
    expect((await post(body)).status).toBe(200);
  });

  it('line feeds instead of CRLF in all of the form (hand-made clients), the bytes unchanged', async () => {
    const plain = await postForm(server.url);
    const head = `preamble\n--${BOUNDARY}\nContent-Disposition: form-data; name="model"\n\nwhisper-1\n--${BOUNDARY}\nContent-Disposition: form-data;\n name="file"; filename="a.wav"\nContent-Type: audio/wav\n\n`;
    const body = Buffer.concat([Buffer.from(head), fakeRecording(), Buffer.from(`\n--${BOUNDARY}--`)]);
    expect((await post(body)).body).toBe(plain.text);
    const tricky = Buffer.from(`\r\n--${BOUNDARY.slice(0, -1)}\n\r\n\r`.repeat(9));
    const answer = await post(Buffer.concat([Buffer.from(head), tricky, Buffer.from(`\n--${BOUNDARY}--\n`)]));
    expect(answer.body).toContain(createHash('sha256').update(tricky).digest('hex').slice(0, 8));
  });

  it('a further file part under another name is left aside', async () => {
    const other = part(
      ['Content-Disposition: form-data; name="cover"; filename="a.png"'],
      Buffer.alloc(100_000),
    );
    const answer = await postForm(server.url, { parts: [other, filePart(RECORDING), other] });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-steno-warning')).toBe('Unknown fields were ignored: cover.');
  });

  it('a text field as a file is refused; with an odd media type it is read', async () => {
    const asFile = part(
      [
        'Content-Disposition: form-data; name="response_format"; filename="x.txt"',
        'Content-Type: text/plain',
      ],
      'srt',
    );
    expectEnvelope(await postForm(server.url, { parts: [asFile, filePart(RECORDING)] }), {
      status: 400,
      param: 'response_format',
    });
    const octets = part(
      ['Content-Disposition: form-data; name="response_format"', 'Content-Type: application/octet-stream'],
      'text',
    );
    const answer = await postForm(server.url, { parts: [octets, filePart(RECORDING)] });
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
  });

  it('the bytes arrive unchanged, in chunks of any size, even when they look like boundaries', async () => {
    const tricky = Buffer.concat([
      Buffer.from(`\r\n--${BOUNDARY.slice(0, -1)}\r\n\r\n--\r--\n--${BOUNDARY}\r`),
      Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 7919) % 256)),
      Buffer.from('\r\n'),
    ]);
    const hash = createHash('sha256').update(tricky).digest('hex').slice(0, 8);
    const body = encodeForm([filePart(tricky), textPart('prompt', 'x')]);
    for (const size of [1, 2, 7, 64, 1000]) {
      const connection = new RawConnection(server.port).post([
        `Content-Type: ${TYPE}`,
        'Transfer-Encoding: chunked',
      ]);
      for (let start = 0; start < body.length; start += size) {
        const piece = body.subarray(start, start + size);
        connection.write(
          Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]),
        );
      }
      const answer = await connection.write('0\r\n\r\n').response();
      connection.close();
      expect(answer.body).toContain(hash);
    }
  });
});

const closing = `--${BOUNDARY}--\r\n`;
const open = (headers: string, body = 'x'.repeat(100)) => `--${BOUNDARY}\r\n${headers}\r\n\r\n${body}\r\n`;
const fileHeaders = 'Content-Disposition: form-data; name="file"; filename="a.wav"';
const goodFile = open(fileHeaders);
const goodField = open('Content-Disposition: form-data; name="model"', 'whisper-1');

/** Each is sent whole; the answer must be a 400 of our shape. */
const MALFORMED: Readonly<Record<string, string | { readonly type: string; readonly body: string }>> = {
  'no final boundary': goodField + goodFile,
  'cut in a boundary': `${goodField}${goodFile}--${BOUNDARY.slice(0, 5)}`,
  'cut before the final dashes': `${goodField}${goodFile}--${BOUNDARY}`,
  'cut after one final dash': `${goodField}${goodFile}--${BOUNDARY}-`,
  'cut in a part': `${goodField}--${BOUNDARY}\r\n${fileHeaders}\r\n\r\nxxxx`,
  'cut in a part, file first': `--${BOUNDARY}\r\n${fileHeaders}\r\n\r\nxxxx`,
  'cut in a header': `${goodField}--${BOUNDARY}\r\nContent-Dispo`,
  'cut after the headers': `${goodField}--${BOUNDARY}\r\n${fileHeaders}\r\n\r\n`,
  'a boundary inside a header block': `${goodFile}--${BOUNDARY}\r\nContent-Disposition: form-data\r\n${closing}`,
  garbage: 'this is not a form at all',
  'binary garbage': '\x00\xff\x00\xff'.repeat(1000),
  'nothing at all': '',
  'only a line end': '\r\n',
  'only an opening boundary': `--${BOUNDARY}\r\n`,
  'a foreign boundary': `--other\r\n${fileHeaders}\r\n\r\nxxxx\r\n--other--\r\n`,
  'text after a boundary': `--${BOUNDARY}junk\r\n${fileHeaders}\r\n\r\nxxxx\r\n${closing}`,
  'line feeds in some parts only': `${goodField.replaceAll('\r\n', '\n')}${goodFile}${closing}`,
  'line feeds, cut in a part': `--${BOUNDARY}\n${fileHeaders}\n\nxxxx`,
  'line feeds inside headers': open(`${fileHeaders}\nContent-Type: audio/wav`) + closing,
  'no headers': `--${BOUNDARY}\r\n\r\nxxxx\r\n${goodFile}${closing}`,
  'no Content-Disposition': open('Content-Type: audio/wav') + goodFile + closing,
  'two Content-Dispositions': open(`${fileHeaders}\r\n${fileHeaders}`) + closing,
  'a Content-Disposition of another kind':
    open('Content-Disposition: attachment; name="file"; filename="a"') + closing,
  'no name': open('Content-Disposition: form-data; filename="a.wav"') + closing,
  'an empty name': open('Content-Disposition: form-data; name=""') + goodFile + closing,
  'a name of 5000 bytes':
    open(`Content-Disposition: form-data; name="${'n'.repeat(5000)}"`) + goodFile + closing,
  'a name twice': open('Content-Disposition: form-data; name="file"; name="model"; filename="a"') + closing,
  'an unclosed quote': open('Content-Disposition: form-data; name="file; filename=a.wav') + closing,
  'a header without a colon': open(`${fileHeaders}\r\nnonsense`) + closing,
  'a header name with a space': open(`${fileHeaders}\r\nX Y: z`) + closing,
  'NUL in a file name': open('Content-Disposition: form-data; name="file"; filename="a\0.wav"') + closing,
  'a part header of 300 kB': open(`${fileHeaders}\r\nX-Long: ${'a'.repeat(300_000)}`) + closing,
  '40 headers in a part':
    open(`${fileHeaders}${Array.from({ length: 40 }, (_, n) => `\r\nX-${n}: a`).join('')}`) + closing,
  '2000 fields': `${Array.from({ length: 2000 }, (_, n) => open(`Content-Disposition: form-data; name="f${n}"`, 'v')).join('')}${goodFile}${closing}`,
  '1500 file parts': `${Array.from({ length: 1500 }, (_, n) => open(`Content-Disposition: form-data; name="f${n}"; filename="a"`)).join('')}${closing}`,
  'two files': goodFile + goodFile + closing,
  'a field of 200 kB':
    open('Content-Disposition: form-data; name="prompt"', 'p'.repeat(200_000)) + goodFile + closing,
  'a preamble without end': `${'p'.repeat(200_000)}\r\n${goodFile}${closing}`,
  'base64 transfer encoding': open(`${fileHeaders}\r\nContent-Transfer-Encoding: base64`) + closing,
  'no boundary parameter': { type: 'multipart/form-data', body: goodFile + closing },
  'an empty boundary': { type: 'multipart/form-data; boundary=', body: goodFile + closing },
  'a quoted boundary without end': { type: 'multipart/form-data; boundary="abc', body: goodFile + closing },
  'a boundary of 5000 bytes': {
    type: `multipart/form-data; boundary=${'b'.repeat(5000)}`,
    body: goodFile + closing,
  },
  'two boundaries': { type: `${TYPE}; boundary=other`, body: goodFile + closing },
};

describe('malformed forms', () => {
  it('are at least 40', () => {
    expect(Object.keys(MALFORMED).length).toBeGreaterThanOrEqual(40);
  });

  for (const [name, shape] of Object.entries(MALFORMED))
    it(`C53 ${name}: 400 at once, and the server goes on`, async () => {
      const refuse = async (): Promise<void> => {
        const answer =
          typeof shape === 'string'
            ? await post(Buffer.from(shape, 'latin1'))
            : await post(shape.body, shape.type);
        expectEnvelope(answer, { status: 400, code: 'invalid_multipart' });
      };
      expect(await bestOf('R7: refused after ms', 1000, () => timeMs(refuse))).toBeLessThan(1000);
      expect((await postForm(server.url)).status).toBe(200);
    });

  it('C52 other content types', async () => {
    for (const type of [
      'application/xml',
      'application/json-seq',
      'text/plain',
      'multipart/mixed; boundary=x',
      'nonsense',
      'multipart/form-data2',
    ])
      expectEnvelope(await post('{"file":"secret"}', type), {
        status: 400,
        code: 'unsupported_content_type',
      });
  });

  it('C52 no content type', async () => {
    const connection = new RawConnection(server.port).post(['Content-Length: 2']).write('{}');
    expectEnvelope(await connection.response(), { status: 400, code: 'unsupported_content_type' });
    connection.close();
  });

  it('C54 the connection closes in the middle: the file is gone and the next request is fine', async () => {
    const body = encodeForm([filePart(fakeRecording(4))]);
    const finished = server.fake.calls.length;
    for (const length of [0, 10, 200, body.length >> 1, body.length - 1]) {
      const connection = new RawConnection(server.port).post([
        `Content-Type: ${TYPE}`,
        `Content-Length: ${body.length}`,
      ]);
      await new Promise((resolve) => connection.socket.write(body.subarray(0, length), resolve));
      connection.close();
    }
    await expect.poll(() => server.services.admission.size).toBe(0);
    await expect.poll(() => server.scratchFiles()).toEqual([]);
    expect(server.fake.calls.length).toBe(finished);
    expect((await postForm(server.url)).status).toBe(200);
  });

  it('C54 a client that ends its side early is told so', async () => {
    const body = encodeForm([filePart(RECORDING)]);
    const connection = new RawConnection(server.port).post([
      `Content-Type: ${TYPE}`,
      `Content-Length: ${body.length}`,
    ]);
    connection.socket.end(body.subarray(0, 500));
    expectEnvelope(await connection.response(), { status: 400 });
  });

  it('a bad chunk size', async () => {
    const connection = new RawConnection(server.port).post([
      `Content-Type: ${TYPE}`,
      'Transfer-Encoding: chunked',
    ]);
    expectEnvelope(await connection.write('zz\r\nhello\r\n').response(), {
      status: 400,
      code: 'invalid_request',
    });
    connection.close();
  });

  it('bytes after the declared length', async () => {
    const body = encodeForm([filePart(RECORDING)]);
    const connection = new RawConnection(server.port).post([
      `Content-Type: ${TYPE}`,
      `Content-Length: ${body.length}`,
    ]);
    const answer = await connection.write(body).write('garbage that is no request\r\n\r\n').response();
    expectEnvelope(answer, { status: 400, code: 'invalid_request' });
    connection.close();
  });

  it('C31 a well-formed form without parts', async () => {
    expectEnvelope(await post(closing), { status: 400, param: 'file', code: 'missing_required_parameter' });
  });

  it('a compressed body is refused unread', async () => {
    for (const encoding of ['gzip', 'br', 'deflate']) {
      const answer = await postForm(server.url, { headers: { 'content-encoding': encoding } });
      expectEnvelope(answer, { status: 415, code: 'unsupported_content_encoding' });
    }
  });
});
