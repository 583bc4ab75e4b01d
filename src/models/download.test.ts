import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startConnectProxy } from '../../test/support/connect-proxy.ts';
import { type FakeHub, startFakeHub } from '../../test/support/fake-hub.ts';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { type DownloadTask, downloadFile } from './download.ts';
import { createHubRequester, type HubOptions, type HubRequester } from './hub-request.ts';

const REVISION = 'a'.repeat(40);
const BYTES = randomBytes(1_000_000);
const RETRY = { fruitless: 3, total: 100, firstWaitMs: 1, longestWaitMs: 50 };

let hub: FakeHub;
let folder: string;
let requesters: HubRequester[];

beforeEach(async () => {
  hub = await startFakeHub();
  hub.put('acme/model', REVISION, 'sub/model.bin', { bytes: BYTES });
  folder = await mkdtemp(join(tmpdir(), 'steno-download-'));
  requesters = [];
});

afterEach(async () => {
  for (const requester of requesters) await requester.close();
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function requesterFor(options: HubOptions = {}): HubRequester {
  const requester = createHubRequester({ endpoint: hub.url, ...options });
  requesters.push(requester);
  return requester;
}

function task(change: Partial<DownloadTask> = {}): DownloadTask {
  return {
    url: `${hub.url}/acme/model/resolve/${REVISION}/sub/model.bin`,
    path: join(folder, 'model.bin'),
    name: 'model.bin',
    expected: { sizeBytes: BYTES.length, sha256: sha256(BYTES) },
    ...change,
  };
}

const download = (options: HubOptions = {}, signal?: AbortSignal) =>
  downloadFile(requesterFor(options), task(), { retry: RETRY, signal });

/** Refused, and nothing of it is left. */
async function expectRefused(work: Promise<unknown>, message: RegExp): Promise<void> {
  await expect(work).rejects.toMatchObject({
    code: 'download_refused',
    message: expect.stringMatching(message),
  });
  expect(await readdir(folder)).toEqual([]);
}

async function expectWhole(): Promise<void> {
  expect(await readdir(folder)).toEqual(['model.bin']);
  expect((await readFile(join(folder, 'model.bin'))).equals(BYTES)).toBe(true);
}

describe('downloadFile', () => {
  it('fetches a file, asks for no compression and tells how far it is', async () => {
    const positions: number[] = [];
    const digest = await downloadFile(requesterFor(), task(), {
      retry: RETRY,
      onProgress: (received) => positions.push(received),
    });
    expect(digest).toEqual({ sizeBytes: BYTES.length, sha256: sha256(BYTES) });
    await expectWhole();
    expect(positions[0]).toBe(0);
    expect(positions.at(-1)).toBe(BYTES.length);
    expect([...positions].sort((left, right) => left - right)).toEqual(positions);
    expect(hub.seen.map(({ acceptEncoding }) => acceptEncoding)).toEqual(['identity']);
  });

  it('R22 20 cuts: each time it goes on where it was', async () => {
    hub.behaviour = { cutAfterBytes: 40_000, cuts: 20 };
    await download();
    await expectWhole();
    expect(hub.transfers).toHaveLength(21);
    // What was on the way when a connection broke may be lost with it; what was written never comes twice.
    const starts = hub.transfers.slice(1).map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1]));
    expect(starts.at(-1)).toBeGreaterThan(0);
    for (const [index, start] of starts.entries()) {
      expect(start).toBeGreaterThanOrEqual(starts[index - 1] ?? 0);
      expect(start).toBeLessThanOrEqual((index + 1) * 40_000);
    }
  });

  it('a connection that is reset is taken up again too', async () => {
    hub.behaviour = { cutAfterBytes: 400_000, cuts: 2, cutBy: 'reset' };
    await download();
    await expectWhole();
    expect(hub.transfers).toHaveLength(3);
  });

  it('goes on with what an earlier process left', async () => {
    await writeFile(join(folder, 'model.bin.incomplete'), BYTES.subarray(0, 600_000));
    await download();
    await expectWhole();
    expect(hub.transfers.map(({ range }) => range)).toEqual(['bytes=600000-']);
  });

  it('asks for nothing when an earlier process left it whole', async () => {
    await writeFile(join(folder, 'model.bin.incomplete'), BYTES);
    await download();
    await expectWhole();
    expect(hub.seen).toEqual([]);
  });

  it('begins anew once when what an earlier process left is wrong', async () => {
    await writeFile(join(folder, 'model.bin.incomplete'), randomBytes(600_000));
    await download();
    await expectWhole();
    expect(hub.transfers.map(({ range }) => range)).toEqual(['bytes=600000-', undefined]);
    await writeFile(join(folder, 'model.bin.incomplete'), randomBytes(BYTES.length + 1));
    await download();
    await expectWhole();
  });

  it('R22 refuses and deletes a file with one flipped bit', async () => {
    hub.behaviour = { flipAt: 500_000 };
    await expectRefused(download(), /SHA-256 is [0-9a-f]{64}, not/);
  });

  it('refuses and deletes a flipped bit behind a cut', async () => {
    hub.behaviour = { flipAt: 900_000, cutAfterBytes: 300_000, cuts: 1 };
    await expectRefused(download(), /SHA-256/);
  });

  it('refuses another length than was announced', async () => {
    for (const extraBytes of [5, -5]) {
      hub.behaviour = { extraBytes };
      await expect(download()).rejects.toMatchObject({
        code: 'download_refused',
        message: expect.stringContaining(`of ${BYTES.length + extraBytes} bytes, not of ${BYTES.length}`),
      });
    }
  });

  it('never takes more bytes than announced, also where no length is told', async () => {
    hub.behaviour = { chunkedExtraBytes: 100_000 };
    await expectRefused(download(), /more of model.bin than/);
  });

  it('a sender that ends early and says no length is taken up again', async () => {
    hub.behaviour = { chunkedExtraBytes: 0, extraBytes: -100 };
    await expect(download()).rejects.toMatchObject({ code: 'download_failed', message: /ended early|cut/ });
    hub.behaviour = {};
    await download();
    await expectWhole();
  });

  it('says that the file is gone when it goes midway, and keeps what is there', async () => {
    hub.behaviour = { cutAfterBytes: 300_000, goneAfterRequests: 1 };
    await expect(download()).rejects.toMatchObject({
      code: 'download_failed',
      message: expect.stringMatching(/has no model.bin \(status 404\)/),
    });
    expect(hub.transfers).toHaveLength(2);
    expect(await readdir(folder)).toEqual(['model.bin.incomplete']);
  });

  it('gives a silent hub up with a clear message', async () => {
    hub.behaviour = { stallAfterBytes: 1000 };
    await expect(
      downloadFile(requesterFor({ idleTimeoutMs: 100 }), task(), { retry: { ...RETRY, fruitless: 0 } }),
    ).rejects.toMatchObject({ code: 'download_failed', message: expect.stringContaining('stopped sending') });
  });

  it('gives up a hub that trickles, goes on where it was, and says so when that is all it does', async () => {
    const clock = createManualClock();
    // A new piece for each connection, then nothing: what came is much less than a minute at the slowest pace.
    hub.behaviour = { stallAfterBytes: 1000 };
    let received = 0;
    const onProgress = (bytes: number): void => {
      received = bytes;
    };
    const running = downloadFile(requesterFor({ clock }), task(), { retry: RETRY, onProgress });
    running.catch(() => undefined);
    for (let attempt = 1; attempt <= RETRY.fruitless + 1; attempt += 1) {
      await expect.poll(() => received).toBe(attempt * 1000);
      await clock.advance(60);
    }
    await expect(running).rejects.toMatchObject({
      code: 'download_failed',
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ sends less than 1024 bytes a second/),
    });
    expect(hub.transfers.map(({ range }) => range)).toEqual([
      undefined,
      ...[1000, 2000, 3000].map((from) => `bytes=${from}-`),
    ]);
    hub.behaviour = {};
    await download();
    await expectWhole();
    expect(hub.transfers.at(-1)?.range).toBe('bytes=4000-');
  });

  it('waits for one that is slow but not that slow', async () => {
    const clock = createManualClock();
    hub.behaviour = { stallAfterBytes: 100_000 };
    let received = 0;
    const running = downloadFile(requesterFor({ clock }), task(), {
      retry: { ...RETRY, fruitless: 0 },
      onProgress: (bytes) => {
        received = bytes;
      },
    });
    running.catch(() => undefined);
    await expect.poll(() => received).toBe(100_000);
    // The first minute brought enough; the second nothing.
    await clock.advance(60);
    expect(await Promise.race([running.catch(() => 'ended'), 'running'])).toBe('running');
    await clock.advance(60);
    await expect(running).rejects.toMatchObject({ code: 'download_failed' });
    expect(hub.transfers).toHaveLength(1);
  });

  it('waits and tries again after 503 and 429, as long as it is told to', async () => {
    for (const code of [503, 429]) {
      hub.behaviour = { status: { code, times: 2, retryAfter: '0' } };
      await download();
      await expectWhole();
      await rm(join(folder, 'model.bin'));
    }
    hub.behaviour = { status: { code: 500, times: 100 } };
    await expect(download()).rejects.toMatchObject({ code: 'download_failed', message: /status 500/ });
    expect(hub.behaviour.status?.times).toBe(96);
  });

  it('takes a whole file for the answer to a range', async () => {
    hub.behaviour = { ignoresRanges: true, cutAfterBytes: 300_000, cuts: 1 };
    await download();
    await expectWhole();
    expect(hub.transfers.map(({ range }) => range)).toEqual([
      undefined,
      expect.stringMatching(/^bytes=\d+-$/),
    ]);
  });

  it('does not take another part for the one that was asked for', async () => {
    await writeFile(join(folder, 'model.bin.incomplete'), BYTES.subarray(0, 600_000));
    hub.behaviour = { wrongRange: 'start' };
    await download();
    await expectWhole();
    await writeFile(join(folder, 'model.bin.incomplete'), BYTES.subarray(0, 600_000));
    hub.behaviour = { wrongRange: 'total' };
    await expect(download()).rejects.toMatchObject({ code: 'download_refused' });
  });

  it('refuses a compressed answer instead of decoding it', async () => {
    for (const compress of ['gzip', 'br'] as const) {
      hub.behaviour = { compress };
      await expect(download()).rejects.toMatchObject({ message: expect.stringContaining('compressed') });
    }
  });

  it('stops when it is told to, and keeps what is there for the next time', async () => {
    const controller = new AbortController();
    hub.behaviour = { stallAfterBytes: 200_000 };
    const running = downloadFile(requesterFor(), task(), {
      retry: RETRY,
      signal: controller.signal,
      onProgress: (received) => received === 200_000 && controller.abort(),
    });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    hub.behaviour = {};
    await download();
    expect(hub.transfers.at(-1)?.range).toBe('bytes=200000-');
  });
});

describe('redirects', () => {
  it('follows to the host that has the files, which gets no token', async () => {
    hub.token = 'hf_secret';
    hub.behaviour = { redirect: 'relative', cutAfterBytes: 300_000, cuts: 1 };
    await download({ token: 'hf_secret' });
    await expectWhole();
    const byHost = (host: string) => hub.seen.filter((request) => request.host === host);
    expect(byHost('hub').length).toBeGreaterThan(2);
    expect(byHost('hub').every(({ authorization }) => authorization === 'Bearer hf_secret')).toBe(true);
    expect(byHost('cdn')).toHaveLength(2);
    expect(byHost('cdn').every(({ authorization }) => authorization === undefined)).toBe(true);
    expect(byHost('cdn').at(-1)?.range).toMatch(/^bytes=\d+-$/);
  });

  it('says what to do when a repository wants a token', async () => {
    hub.token = 'hf_secret';
    await expect(download({ token: 'hf_other' })).rejects.toMatchObject({
      message: expect.stringMatching(/status 401.*HF_TOKEN/),
    });
    await expect(download()).rejects.not.toMatchObject({ message: expect.stringContaining('hf_') });
  });

  it('has an end, and leads to nothing but http and https', async () => {
    hub.behaviour = { redirect: 'loop' };
    await expect(download()).rejects.toMatchObject({ message: expect.stringContaining('more than 5 times') });
    expect(hub.seen).toHaveLength(6);
    for (const redirect of ['file', 'credentials'] as const) {
      hub.behaviour = { redirect };
      await expect(download()).rejects.toMatchObject({
        message: expect.stringContaining('no http or https URL'),
      });
    }
  });
});

describe('proxies', () => {
  it('goes through HTTP_PROXY, and past it for hosts of NO_PROXY', async () => {
    const proxy = await startConnectProxy();
    const httpProxy = proxy.url;
    try {
      await download({ httpProxy });
      await expectWhole();
      expect(proxy.asked).toEqual([new URL(hub.url).host]);
      await rm(join(folder, 'model.bin'));
      await download({ httpProxy, noProxy: '127.0.0.1' });
      expect(proxy.asked).toHaveLength(1);
    } finally {
      for (const requester of requesters.splice(0)) await requester.close();
      await proxy.close();
    }
  });

  it('refuses what is no URL when it is made', () => {
    expect(() => createHubRequester({ endpoint: 'huggingface.co' })).toThrow(/HF_ENDPOINT/);
    expect(() => createHubRequester({ endpoint: 'https://user:pass@hub.example' })).toThrow(/HF_ENDPOINT/);
    expect(() => createHubRequester({ httpsProxy: 'nonsense' })).toThrow(/HTTPS_PROXY/);
  });
});
