import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertWithFfmpeg, fixturePath, randomNumbers } from '../../support/audio-fixtures.ts';
import {
  BOUNDARY,
  encodeForm,
  filePart,
  RawConnection,
  type RawPart,
  textPart,
} from '../../support/multipart.ts';

const PATH = '/v1/audio/transcriptions';
const MULTIPART = `multipart/form-data; boundary=${BOUNDARY}`;

/** What users send, in shares of all requests. */
const SHARES = { short: 0.6, stream: 0.1, long: 0.05, bad: 0.05, leave: 0.1, look: 0.1 } as const;
type Kind = keyof typeof SHARES;

export interface MixedLoad {
  /** Waits until all clients stand still with no request of theirs in the house. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends the clients; rejects with what went wrong, if anything did. */
  stop(): Promise<void>;
  /** Answers by kind and status; 0 for clients that left. */
  readonly tally: ReadonlyMap<string, number>;
}

/** Recordings of the fixture's speech in the formats people send. */
export async function prepareRecordings(folder: string): Promise<{ short: Buffer[]; long: Buffer[] }> {
  const make = async (
    container: 'mp3' | 'm4a' | 'webm' | 'flac' | 'wav',
    seconds: number,
  ): Promise<Buffer> => {
    const path = join(folder, `${container}-${seconds}.${container}`);
    // Said again and again where the fixture is shorter.
    await convertWithFfmpeg(fixturePath('jfk.wav'), container, path, [
      '-af',
      'aloop=loop=-1:size=176000',
      '-t',
      String(seconds),
    ]);
    return readFileSync(path);
  };
  return {
    short: await Promise.all([
      make('wav', 2),
      make('wav', 5),
      make('mp3', 3),
      make('m4a', 5),
      make('webm', 4),
    ]),
    long: await Promise.all([make('flac', 60), make('mp3', 120)]),
  };
}

/** Clients that each send one request after another, drawn by shares from a seed. */
export function startMixedLoad(
  port: number,
  recordings: { readonly short: readonly Buffer[]; readonly long: readonly Buffer[] },
  { clients, seed }: { readonly clients: number; readonly seed: number },
): MixedLoad {
  const url = `http://127.0.0.1:${port}`;
  const tally = new Map<string, number>();
  const idle = new Set<number>();
  let paused = false;
  let stopped = false;
  const wake: (() => void)[] = [];
  const standing: (() => void)[] = [];

  const running = Promise.all(Array.from({ length: clients }, (_, index) => runClient(index)));
  // Told by stop(); until then nobody listens.
  running.catch(() => undefined);
  return {
    tally,
    async pause() {
      paused = true;
      while (idle.size < clients && !stopped)
        await Promise.race([new Promise<void>((resolve) => standing.push(resolve)), running]);
    },
    resume,
    async stop() {
      stopped = true;
      resume();
      await running;
    },
  };

  function resume(): void {
    paused = false;
    for (const go of wake.splice(0)) go();
  }

  async function runClient(index: number): Promise<void> {
    const random = randomNumbers(seed + index);
    const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
    while (!stopped) {
      if (paused) {
        idle.add(index);
        for (const tell of standing.splice(0)) tell();
        await new Promise<void>((resolve) => wake.push(resolve));
        idle.delete(index);
        continue;
      }
      const kind = draw(random());
      const status = await send(kind, pick, random);
      if (!expected(kind, status))
        throw new Error(`${kind} was answered ${status} (seed ${seed}, client ${index})`);
      const name = `${kind} ${status}`;
      tally.set(name, (tally.get(name) ?? 0) + 1);
    }
  }

  async function send(
    kind: Kind,
    pick: <Item>(items: readonly Item[]) => Item,
    random: () => number,
  ): Promise<number> {
    const format = pick(['json', 'text', 'srt', 'vtt', 'verbose_json']);
    switch (kind) {
      case 'short':
        return post([textPart('response_format', format), filePart(pick(recordings.short))]);
      case 'stream':
        return post([textPart('stream', 'true'), filePart(pick(recordings.short))]);
      case 'long':
        return post([textPart('response_format', format), filePart(pick(recordings.long))]);
      case 'bad':
        return pick(BAD_REQUESTS)(url);
      case 'leave':
        return leave(pick([...recordings.short, ...recordings.long]), random() * 400);
      case 'look':
        return read(await fetch(url + pick(['/v1/models', '/healthz', '/readyz', '/openapi.json'])));
    }
  }

  async function post(parts: readonly RawPart[]): Promise<number> {
    return read(await postBytes(url, encodeForm(parts)));
  }

  /** Goes away after some time, whatever has come by then. */
  async function leave(recording: Buffer, afterMs: number): Promise<number> {
    const body = encodeForm([filePart(recording)]);
    const connection = new RawConnection(port).post([
      `Content-Type: ${MULTIPART}`,
      `Content-Length: ${body.length}`,
    ]);
    connection.write(body.subarray(0, afterMs < 100 ? body.length / 2 : body.length));
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    connection.close();
    return 0;
  }
}

function postBytes(url: string, body: Buffer | string, type = MULTIPART): Promise<Response> {
  return fetch(url + PATH, { method: 'POST', headers: { 'content-type': type }, body });
}

async function read(response: Response): Promise<number> {
  await response.arrayBuffer();
  return response.status;
}

/** Each is the client's fault. */
const BAD_REQUESTS: readonly ((url: string) => Promise<number>)[] = [
  async (url) => read(await postBytes(url, encodeForm([filePart(Buffer.alloc(20_000, 'no sound'))]))),
  async (url) => read(await postBytes(url, encodeForm([textPart('model', 'whisper-1')]))),
  async (url) =>
    read(await postBytes(url, encodeForm([textPart('model', 'no-such-model'), filePart(Buffer.alloc(9))]))),
  async (url) => read(await postBytes(url, encodeForm([filePart(Buffer.alloc(9_000))]).subarray(0, 5_000))),
  async (url) => read(await postBytes(url, '{"model":', 'application/json')),
  async (url) => read(await postBytes(url, 'text', 'text/plain')),
  async (url) => read(await fetch(`${url}/v1/nothing`)),
];

function draw(value: number): Kind {
  let sum = 0;
  for (const [kind, share] of Object.entries(SHARES)) {
    sum += share;
    if (value < sum) return kind as Kind;
  }
  return 'short';
}

function expected(kind: Kind, status: number): boolean {
  if (kind === 'leave') return status === 0;
  return kind === 'bad' ? status >= 400 && status < 500 : status === 200;
}
