import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';

/** One file of the fake's repositories. Small ones may be kept in git itself, as hubs do: then only git's own hash is told. */
export interface HubFileContent {
  readonly bytes: Buffer;
  readonly inGit?: boolean;
}

/** What goes wrong with the answers that carry files; each is asked anew for each request. */
export interface Misbehaviour {
  /** Cuts the connection after so many bytes of each body. */
  cutAfterBytes?: number;
  /** Only this many bodies are cut; default all. */
  cuts?: number;
  /** How: the bytes sent so far arrive, or some are lost with the connection. Default `end`. */
  cutBy?: 'end' | 'reset';
  /** This byte of the file is another one. */
  flipAt?: number;
  /** The file is announced and sent with so many bytes more (or fewer). */
  extraBytes?: number;
  /** Announces the right length, as chunks without one, but sends more. */
  chunkedExtraBytes?: number;
  /** From the so-manyeth request on the file is gone. */
  goneAfterRequests?: number;
  /** Sends so many bytes and then nothing more. */
  stallAfterBytes?: number;
  /** The first so many requests (files and questions) are answered with this status. */
  status?: { readonly code: number; times: number; readonly retryAfter?: string };
  /** Answers ranges with the whole file. */
  ignoresRanges?: boolean;
  /** Answers ranges with bytes from another place, or with another total. */
  wrongRange?: 'start' | 'total';
  compress?: 'gzip' | 'br';
  /** Where files are, as hubs keep them on another host; `loop` never ends, `file` is no HTTP. */
  redirect?: 'cdn' | 'relative' | 'loop' | 'file' | 'credentials';
  /** What the answer about files says instead of the truth. */
  lie?: 'hash' | 'size' | 'no-hash' | 'no-file' | 'no-json' | 'huge';
  /** Waits for this before it sends the body. */
  gate?: Promise<void>;
}

export interface SeenRequest {
  readonly host: 'hub' | 'cdn';
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly acceptEncoding: string | undefined;
  readonly range: string | undefined;
}

export interface FakeHub {
  readonly url: string;
  /** Every request that came, the CDN's too. */
  readonly seen: readonly SeenRequest[];
  /** Of those, the ones that asked for a file's bytes and were not redirected. */
  readonly transfers: readonly SeenRequest[];
  /** Change it at any time. */
  behaviour: Misbehaviour;
  /** A repository wants this token, if there is one. */
  token: string | undefined;
  /** Bytes of bodies that were sent. */
  readonly sentBytes: number;
  put(repo: string, revision: string, path: string, content: HubFileContent): void;
  /** Resolves once as many bytes of bodies were sent in all. */
  sent(bytes: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * A hub on loopback with what @huggingface/hub asks of one (`paths-info`, `tree`) and `resolve` for the files, and beside it a "CDN" on
 * a port, so an origin, of its own. It can misbehave in every way of {@link Misbehaviour}.
 */
export async function startFakeHub(): Promise<FakeHub> {
  const files = new Map<string, HubFileContent>();
  const seen: SeenRequest[] = [];
  const transfers: SeenRequest[] = [];
  const watchers = new Set<() => void>();
  let sentBytes = 0;

  const hubServer = createServer((request, response) => void answer(request, response, 'hub'));
  const cdnServer = createServer((request, response) => void answer(request, response, 'cdn'));
  const hubUrl = await listen(hubServer);
  const cdnUrl = await listen(cdnServer);

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    host: 'hub' | 'cdn',
  ): Promise<undefined> {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    const record: SeenRequest = {
      host,
      method: request.method ?? '',
      path: pathname,
      authorization: request.headers.authorization,
      acceptEncoding: headerText(request.headers['accept-encoding']),
      range: request.headers.range,
    };
    seen.push(record);
    response.on('error', () => undefined);
    const { status } = hub.behaviour;
    if (status !== undefined && status.times > 0) {
      status.times -= 1;
      response.writeHead(
        status.code,
        status.retryAfter === undefined ? {} : { 'retry-after': status.retryAfter },
      );
      response.end();
      return;
    }
    if (host === 'hub' && hub.token !== undefined && record.authorization !== `Bearer ${hub.token}`)
      return end(response, 401, { error: 'Invalid credentials' });
    const body = await readBody(request);
    const info = /^\/api\/models\/([^/]+\/[^/]+)\/paths-info\/([^/]+)$/.exec(pathname);
    if (info !== null && request.method === 'POST')
      return answerInfo(response, info[1] ?? '', decodeURIComponent(info[2] ?? ''), body);
    const tree = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/([^/]+)$/.exec(pathname);
    if (tree !== null) return answerTree(response, tree[1] ?? '', decodeURIComponent(tree[2] ?? ''));
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    const key =
      file === null
        ? ''
        : `${file[1]}@${decodeURIComponent(file[2] ?? '')}/${decodeURIComponent(file[3] ?? '')}`;
    const content = files.get(key);
    if (content === undefined) return end(response, 404, { error: 'Entry not found' });
    if (host === 'hub' && redirected(response, pathname)) return;
    transfers.push(record);
    if (transfers.length > (hub.behaviour.goneAfterRequests ?? Number.POSITIVE_INFINITY))
      return end(response, 404, { error: 'Entry not found' });
    await hub.behaviour.gate;
    sendFile(request, response, content);
    return undefined;
  }

  function redirected(response: ServerResponse, path: string): boolean {
    const target = {
      cdn: `${cdnUrl}${path}`,
      relative: path.includes('/moved/') ? undefined : path,
      loop: path,
      file: 'file:///etc/passwd',
      credentials: cdnUrl.replace('http://', 'http://user:secret@') + path,
      none: undefined,
    }[hub.behaviour.redirect ?? 'none'];
    if (target === undefined) return false;
    if (hub.behaviour.redirect === 'relative') hub.behaviour = { ...hub.behaviour, redirect: 'cdn' };
    response.writeHead(302, { location: target, 'content-length': 0 }).end();
    return true;
  }

  function answerInfo(response: ServerResponse, repo: string, revision: string, body: string): undefined {
    const { paths } = JSON.parse(body) as { paths: string[] };
    const { lie } = hub.behaviour;
    if (lie === 'no-json') return end(response, 200, '<html>welcome to the hotel</html>');
    if (lie === 'huge') return end(response, 200, 'x'.repeat(6_000_000));
    const known = [...files.keys()].some((key) => key.startsWith(`${repo}@${revision}/`));
    if (!known) return end(response, 404, { error: 'Repository not found' });
    const found = lie === 'no-file' ? [] : paths.filter((path) => files.has(`${repo}@${revision}/${path}`));
    end(
      response,
      200,
      found.map((path) => describe(`${repo}@${revision}/`, path)),
    );
  }

  function answerTree(response: ServerResponse, repo: string, revision: string): undefined {
    const prefix = `${repo}@${revision}/`;
    const paths = [...files.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
    end(
      response,
      200,
      paths.map((path) => describe(prefix, path)),
    );
  }

  function describe(prefix: string, path: string): object {
    const { bytes, inGit } = files.get(prefix + path) as HubFileContent;
    const { lie } = hub.behaviour;
    const size = lie === 'size' ? bytes.length + 1 : bytes.length;
    const git = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
    if (lie === 'no-hash') return { type: 'file', path, size };
    const wrong = (hash: string) => (lie === 'hash' ? hash.replace(/./g, 'a') : hash);
    if (inGit === true) return { type: 'file', path, size, oid: wrong(git) };
    const oid = wrong(createHash('sha256').update(bytes).digest('hex'));
    // The object id of the pointer file, not of the content.
    return { type: 'file', path, size, oid: 'f'.repeat(40), lfs: { oid, size, pointerSize: 134 } };
  }

  function sendFile(request: IncomingMessage, response: ServerResponse, content: HubFileContent): void {
    const { behaviour } = hub;
    const bytes = spoil(content.bytes, behaviour);
    const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    const isPartial = from !== undefined && behaviour.ignoresRanges !== true;
    if (isPartial && Number(from) >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    const start = isPartial ? Number(from) + (behaviour.wrongRange === 'start' ? 1 : 0) : 0;
    const total = bytes.length + (behaviour.wrongRange === 'total' ? 7 : 0);
    const body = compress(bytes.subarray(start), behaviour.compress);
    const etag = `"${createHash('sha256').update(content.bytes).digest('hex')}"`;
    response.writeHead(isPartial ? 206 : 200, {
      etag,
      'x-linked-etag': etag,
      'x-linked-size': String(content.bytes.length),
      'accept-ranges': 'bytes',
      ...(behaviour.compress === undefined ? {} : { 'content-encoding': behaviour.compress }),
      ...(isPartial ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${total}` } : {}),
      ...(behaviour.chunkedExtraBytes === undefined ? { 'content-length': body.length } : {}),
    });
    const mayCut = behaviour.cutAfterBytes !== undefined && (behaviour.cuts ?? 1) > 0;
    if (mayCut && (behaviour.cutAfterBytes ?? 0) < body.length) {
      if (behaviour.cuts !== undefined) behaviour.cuts -= 1;
      write(response, body.subarray(0, behaviour.cutAfterBytes), () => cut(response, behaviour));
    } else if (behaviour.stallAfterBytes !== undefined)
      write(response, body.subarray(0, behaviour.stallAfterBytes), () => undefined);
    else if (behaviour.chunkedExtraBytes !== undefined)
      write(response, Buffer.concat([body, Buffer.alloc(behaviour.chunkedExtraBytes)]), () => response.end());
    else write(response, body, () => response.end());
  }

  function write(response: ServerResponse, body: Buffer, done: () => void): void {
    response.write(body, () => {
      sentBytes += body.length;
      for (const watch of watchers) watch();
      done();
    });
  }

  const hub: FakeHub = {
    url: hubUrl,
    seen,
    transfers,
    behaviour: {},
    token: undefined,
    get sentBytes() {
      return sentBytes;
    },
    put: (repo, revision, path, content) => void files.set(`${repo}@${revision}/${path}`, content),
    sent: (bytes) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (sentBytes < bytes) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    async close() {
      for (const server of [hubServer, cdnServer]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
  return hub;
}

function cut({ socket }: ServerResponse, { cutBy }: Misbehaviour): void {
  if (cutBy === 'reset') socket?.resetAndDestroy();
  else socket?.destroySoon();
}

function spoil(bytes: Buffer, { flipAt, extraBytes = 0 }: Misbehaviour): Buffer {
  const copy = Buffer.from(extraBytes < 0 ? bytes.subarray(0, extraBytes) : bytes);
  if (flipAt !== undefined) copy[flipAt] = (copy[flipAt] ?? 0) ^ 1;
  return extraBytes > 0 ? Buffer.concat([copy, Buffer.alloc(extraBytes)]) : copy;
}

function compress(bytes: Buffer, how: Misbehaviour['compress']): Buffer {
  if (how === undefined) return bytes;
  return how === 'gzip' ? gzipSync(bytes) : brotliCompressSync(bytes);
}

function end(response: ServerResponse, status: number, body: object | string): undefined {
  const isText = typeof body === 'string';
  response.writeHead(status, { 'content-type': isText ? 'text/html' : 'application/json' });
  response.end(isText ? body : JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });
}
