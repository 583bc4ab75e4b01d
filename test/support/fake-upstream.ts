import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What the gateway sent. */
export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Whole, unless the behaviour answered before. */
  readonly body: Buffer;
  /** Fields of the form in order, the recording as its own entry. */
  readonly parts: readonly ReceivedPart[];
  /** Requests that its connection had carried before. */
  readonly earlier: number;
}

export interface ReceivedPart {
  readonly name: string;
  readonly headers: string;
  readonly body: Buffer;
}

export type Behaviour = (response: ServerResponse, request: ReceivedRequest) => void;

export interface FakeUpstream {
  readonly baseUrl: string;
  readonly requests: readonly ReceivedRequest[];
  /** What the next requests get, in order; afterwards `always` again. */
  next(...behaviours: readonly Behaviour[]): void;
  /** From now on, at first a good JSON answer. */
  always(behaviour: Behaviour): void;
  /** Connections that are open now. */
  readonly connections: number;
  /** Requests whose connection ended before their answer did. */
  readonly abandoned: number;
  close(): Promise<void>;
}

/** A service that does what the test says, good and bad. */
export async function startFakeUpstream(): Promise<FakeUpstream> {
  const requests: ReceivedRequest[] = [];
  const sockets = new Map<Socket, number>();
  let queue: Behaviour[] = [];
  let usual: Behaviour = json({ text: 'hello from upstream' });
  let abandoned = 0;
  const server = createServer(async (request, response) => {
    const earlier = sockets.get(request.socket) ?? 0;
    sockets.set(request.socket, earlier + 1);
    request.on('error', () => {});
    response.on('error', () => {});
    response.on('close', () => {
      if (!response.writableFinished) abandoned += 1;
    });
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request) pieces.push(piece as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(pieces);
    const received = {
      path: request.url ?? '',
      headers: request.headers,
      body,
      parts: readParts(body, request.headers['content-type'] ?? ''),
      earlier,
    };
    requests.push(received);
    (queue.shift() ?? usual)(response, received);
  });
  server.on('connection', (socket) => {
    sockets.set(socket, 0);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    next(...behaviours) {
      queue.push(...behaviours);
    },
    always(behaviour) {
      queue = [];
      usual = behaviour;
    },
    get connections() {
      return sockets.size;
    },
    get abandoned() {
      return abandoned;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An address at which nobody listens. */
export async function closedBaseUrl(): Promise<string> {
  const fake = await startFakeUpstream();
  await fake.close();
  return fake.baseUrl;
}

export function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Behaviour {
  return answer(200, { 'content-type': 'application/json', ...headers }, JSON.stringify(value));
}

export function answer(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Buffer,
): Behaviour {
  return (response) => void response.writeHead(status, headers).end(body);
}

export const hangBeforeHeaders: Behaviour = () => {};

/** Half of a JSON body that says it is longer, then silence. */
export const hangInBody: Behaviour = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
  response.write('{"text":"half of');
};

export const resetInBody: Behaviour = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
  response.write('{"text":"half of', () => response.socket?.resetAndDestroy());
};

/** One byte of JSON white space now and then, without end. */
export const dripForEver: Behaviour = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), 50);
  response.on('close', () => clearInterval(timer));
};

/** As much as the other side takes. */
export const endlessBody: Behaviour = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const block = Buffer.alloc(256 * 1024, ' ');
  const write = (): void => {
    while (!response.destroyed && response.write(block));
  };
  response.on('drain', write);
  write();
};

/** The connection ends without a word as soon as a second request comes on it, as idle connections do that are used a moment too late. */
export function dropReused(good: Behaviour): Behaviour {
  return (response, request) => {
    if (request.earlier > 0) response.socket?.destroy();
    else good(response, request);
  };
}

/** Server-sent events, piece by piece as given; then the end, or what `after` does. */
export function events(
  pieces: readonly string[],
  after: Behaviour = (response) => response.end(),
): Behaviour {
  return (response, request) => {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    response.flushHeaders();
    const write = (index: number): void => {
      const piece = pieces[index];
      if (piece === undefined) after(response, request);
      else response.write(piece, () => setImmediate(write, index + 1));
    };
    write(0);
  };
}

function readParts(body: Buffer, contentType: string): ReceivedPart[] {
  const boundary = /boundary=([^;]+)/.exec(contentType)?.[1];
  if (boundary === undefined) return [];
  const parts: ReceivedPart[] = [];
  const delimiter = Buffer.from(`--${boundary}`);
  let start = body.indexOf(delimiter);
  while (start >= 0) {
    const end = body.indexOf(delimiter, start + delimiter.length);
    if (end < 0) break;
    const part = body.subarray(start + delimiter.length + 2, end - 2);
    const split = part.indexOf('\r\n\r\n');
    const headers = part.toString('utf8', 0, split);
    parts.push({
      name: /\bname="?([^";]+)"?/.exec(headers)?.[1] ?? '',
      headers,
      body: part.subarray(split + 4),
    });
    start = end;
  }
  return parts;
}
