import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';

/** A part as it stands on the wire: header lines without line ends, then the bytes. */
export interface RawPart {
  readonly headers: readonly string[];
  readonly body: Buffer | string;
}

export function textPart(name: string, value: string): RawPart {
  return { headers: [`Content-Disposition: form-data; name="${name}"`], body: value };
}

export function filePart(
  body: Buffer,
  filename = 'a.wav',
  contentType = 'application/octet-stream',
): RawPart {
  return {
    headers: [
      `Content-Disposition: form-data; name="file"; filename="${filename}"`,
      `Content-Type: ${contentType}`,
    ],
    body,
  };
}

export const BOUNDARY = 'stenoTestBoundary';

/** A complete form, byte by byte as RFC 7578 has it. */
export function encodeForm(parts: readonly RawPart[], boundary: string = BOUNDARY): Buffer {
  const pieces = parts.flatMap(({ headers, body }) => [
    Buffer.from(`--${boundary}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`),
    Buffer.from(body),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

/** Bytes that the fake transcriber takes for a recording of so many seconds; other seeds are other recordings. */
export function fakeRecording(seconds = 2, seed = 1): Buffer {
  return Buffer.alloc(Math.round(seconds * 32_000), `recording ${seed} `);
}

export interface FormRequest {
  /** Text fields in order; a list sends its name once an element. */
  readonly fields?: Readonly<Record<string, string | readonly string[]>>;
  /** Default a recording of 2 s; null sends none. */
  readonly file?: RawPart | null;
  /** Whole control over the parts; then `fields` and `file` do not count. */
  readonly parts?: readonly RawPart[];
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Posts a form to a server's transcription route (or another path) and reads the whole answer. */
export async function postForm(baseUrl: string, request: FormRequest = {}): Promise<Answer> {
  const fields = Object.entries(request.fields ?? {}).flatMap(([name, value]) =>
    [value].flat().map((element) => textPart(name, element)),
  );
  const file = request.file === undefined ? filePart(fakeRecording()) : request.file;
  const parts = request.parts ?? [...fields, ...(file === null ? [] : [file])];
  const response = await fetch(`${baseUrl}${request.path ?? '/v1/audio/transcriptions'}`, {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, ...request.headers },
    body: encodeForm(parts),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

export interface ExpectedError {
  readonly status: number;
  readonly code?: string;
  readonly param?: string | null;
}

/** Checks the one error shape, headers included, and gives the message. */
export function expectEnvelope(answer: Answer | RawResponse, expected: ExpectedError): string {
  const text = 'text' in answer ? answer.text : answer.body;
  expect({ status: answer.status, text }).toMatchObject({ status: expected.status });
  expect(answer.headers.get('content-type')).toBe('application/json');
  expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
  const body = JSON.parse(text) as { error: Record<string, unknown> };
  expect(Object.keys(body.error).sort()).toEqual(['code', 'message', 'param', 'type']);
  expect(body.error.message).toBeTypeOf('string');
  expect(body.error.type).toBeTypeOf('string');
  if (expected.code !== undefined) expect(body.error.code).toBe(expected.code);
  if (expected.param !== undefined) expect(body.error.param).toBe(expected.param);
  expect(text).not.toMatch(/\bat .*:\d+:\d+|node_modules|\/tmp\//);
  return String(body.error.message);
}

export interface RawResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** Everything received, interim answers too. */
  readonly raw: string;
}

/** A request on a socket of its own, for what HTTP clients cannot or will not send. */
export class RawConnection {
  readonly socket: Socket;
  #received = '';
  #ended = false;
  #waiters: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    for (const event of ['end', 'close', 'error'] as const)
      this.socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
  }

  /** Writes a request head; a Host header and the line ends are added. */
  head(requestLine: string, headers: readonly string[]): this {
    this.socket.write(`${requestLine} HTTP/1.1\r\n${['Host: localhost', ...headers].join('\r\n')}\r\n\r\n`);
    return this;
  }

  post(headers: readonly string[], path = '/v1/audio/transcriptions'): this {
    return this.head(`POST ${path}`, headers);
  }

  write(bytes: Buffer | string): this {
    this.socket.write(bytes);
    return this;
  }

  /** Resolves with all that came once `found` likes it, or when the server has ended the connection. */
  async until(found: (received: string) => boolean): Promise<string> {
    while (!found(this.#received) && !this.#ended)
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    return this.#received;
  }

  /** The final answer, interim ones skipped. */
  async response(): Promise<RawResponse> {
    await this.until((received) => parseResponse(received) !== undefined);
    const response = parseResponse(this.#received);
    if (response === undefined)
      throw new Error(`no whole answer: ${JSON.stringify(this.#received.slice(0, 300))}`);
    return response;
  }

  close(): void {
    this.socket.destroy();
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

/** Sends one form over a raw socket and gives the answer. */
export async function sendRaw(
  port: number,
  contentType: string,
  body: Buffer | string,
): Promise<RawResponse> {
  const connection = new RawConnection(port);
  try {
    return await connection
      .post([`Content-Type: ${contentType}`, `Content-Length: ${Buffer.byteLength(body)}`])
      .write(body)
      .response();
  } finally {
    connection.close();
  }
}

function parseResponse(raw: string): RawResponse | undefined {
  const rest = raw.replace(/^(?:HTTP\/1\.1 1\d\d [^\r]*\r\n\r\n)+/, '');
  const split = rest.indexOf('\r\n\r\n');
  if (split === -1) return undefined;
  const [statusLine = '', ...lines] = rest.slice(0, split).split('\r\n');
  const headers = new Map(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  const body = rest.slice(split + 4);
  const length = headers.get('content-length');
  const whole = length === undefined ? body.endsWith('0\r\n\r\n') : body.length >= Number(length);
  return whole ? { status: Number(statusLine.split(' ')[1]), headers, body, raw } : undefined;
}
