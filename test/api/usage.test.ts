import { afterEach, describe, expect, it } from 'vitest';
import { InvalidAudioError } from '../../src/errors.ts';
import { createStoredKey } from '../../src/store/api-key.ts';
import { openDataStore } from '../../src/store/sqlite/open-store.ts';
import type { UsageRow } from '../../src/store/store.ts';
import {
  BOUNDARY,
  encodeForm,
  expectEnvelope,
  fakeRecording,
  filePart,
  postForm,
  textPart,
} from '../support/multipart.ts';
import { buildCli, runCli } from '../support/run-cli.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

let server: TestServer;

afterEach(() => server.close());

async function start(config = {}) {
  server = await startTestServer({ store: 'file', config });
  const data = await openDataStore(server.config.dataDir);
  const user = createStoredKey({ name: 'user', scope: 'user', limits: { audioSecondsPerDay: 100 } }, data);
  const other = createStoredKey({ name: 'other', scope: 'user' }, data);
  const admin = createStoredKey({ name: 'admin', scope: 'admin' }, data);
  data.store.close();
  return { user, other, admin };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const today = () => new Date().toISOString().slice(0, 10);

function post(key: string, seconds: number, fields: Record<string, string> = {}) {
  return postForm(server.url, { headers: bearer(key), file: filePart(fakeRecording(seconds)), fields });
}

async function usage(key: string, query = '') {
  const response = await fetch(`${server.url}/v1/usage${query}`, { headers: bearer(key) });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function figures(key: string, query = '') {
  const { status, text } = await usage(key, query);
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

function rows(): UsageRow[] {
  return server.services.accounts.store.listUsage({ fromDay: '2000-01-01', toDay: '2999-01-01' }, 1000);
}

describe('GET /v1/usage', () => {
  it('a key sees its own figures, an admin all', async () => {
    const { user, other, admin } = await start();
    for (const seconds of [2, 1.5, 0.25]) expect((await post(user.key, seconds)).status).toBe(200);
    expect((await post(other.key, 4, { response_format: 'srt' })).status).toBe(200);
    const own = await figures(user.key);
    expect(own).toMatchObject({
      object: 'usage',
      key_id: user.row.id,
      to: today(),
      requests: 3,
      audio_seconds: 3.75,
      data: [
        { day: today(), key_id: user.row.id, model: 'moonshine-tiny', requests: 3, audio_seconds: 3.75 },
      ],
      limits: {
        requests_per_minute: null,
        audio_seconds_day: { limit: 100, used: 3.75, remaining: 96.25 },
        audio_seconds_month: null,
      },
    });
    expect(own.from).toBe(`${today().slice(0, 8)}01`);
    expect((await figures(other.key)).audio_seconds).toBe(4);
    expect(await figures(admin.key)).toMatchObject({ key_id: null, requests: 4, audio_seconds: 7.75 });
    expect(await figures(admin.key, `?key_id=${other.row.id}`)).toMatchObject({ audio_seconds: 4 });
    expect(await figures(user.key, '?from=2001-01-01&to=2001-01-31')).toMatchObject({
      requests: 0,
      data: [],
    });
  });

  it('refuses what it does not know', async () => {
    const { user } = await start();
    for (const [query, param] of [
      ['?from=yesterday', 'from'],
      ['?to=2026-02-30', 'to'],
      ['?from=2026-02-02&to=2026-02-01', 'from'],
      ['?from=2026-02-02&from=2026-02-01', 'from'],
      ['?key_id=%27%20OR%201', 'key_id'],
      ['?group=model', 'query'],
    ] as const)
      expectEnvelope(await usage(user.key, query), { status: 400, code: 'invalid_value', param });
  });

  it('shows all on a server without keys', async () => {
    server = await startTestServer();
    await postForm(server.url);
    const body = JSON.parse(await (await fetch(`${server.url}/v1/usage`)).text());
    expect(body).toMatchObject({ requests: 1, audio_seconds: 2, data: [{ key_id: 'none' }] });
  });
});

describe('what is counted', () => {
  it('rows hold figures, and neither text nor file names', async () => {
    const { user } = await start();
    const answer = await post(user.key, 1.2345, { response_format: 'verbose_json' });
    const [row] = rows();
    expect(row).toEqual({
      requestId: answer.headers.get('x-request-id'),
      keyId: user.row.id,
      model: 'moonshine-tiny',
      format: 'verbose_json',
      audioMs: Math.round(fakeRecording(1.2345).length / 32),
      processingMs: expect.any(Number),
      status: 'completed',
      atMs: expect.any(Number),
    });
  });

  it('failed and refused requests cost nothing', async () => {
    const { user } = await start();
    expect((await post(user.key, 2, { temperature: '9' })).status).toBe(400);
    expect((await post(user.key, 2, { model: 'nope' })).status).toBe(404);
    expect((await post('sk-wrong-key-0123456', 2)).status).toBe(401);
    expect((await post(user.key, 101)).status).toBe(429);
    server.fake.failure = { error: new InvalidAudioError('it is broken'), when: 'at-once' };
    expect((await post(user.key, 2)).status).toBe(400);
    server.fake.failure = { error: new Error('engine trouble'), when: 'after-segment' };
    expect((await post(user.key, 2)).status).toBe(500);
    expect((await post(user.key, 2, { stream: 'true' })).text).toContain('"error"');
    server.fake.failure = undefined;
    expect(rows()).toEqual([]);
    expect(await figures(user.key)).toMatchObject({ requests: 0, audio_seconds: 0 });
    // And nothing stays held: the whole quota is there.
    expect((await post(user.key, 100)).status).toBe(200);
  });

  it('a client that leaves is counted with what was transcribed', async () => {
    const { user } = await start();
    const release = server.fake.hold();
    for (const [index, stream] of (['false', 'true'] as const).entries()) {
      const controller = new AbortController();
      const request = fetch(`${server.url}/v1/audio/transcriptions`, {
        method: 'POST',
        headers: { ...bearer(user.key), 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
        body: encodeForm([filePart(fakeRecording(10)), textPart('stream', stream)]),
        signal: controller.signal,
      });
      const ended = request.then((response) => response.text()).catch(() => 'left');
      await server.fake.heard(index + 1);
      expect(server.services.admission.size).toBe(1);
      controller.abort();
      expect(await ended).toBe('left');
      await server.fake.ended(index + 1);
    }
    release();
    await expect
      .poll(() => rows().map(({ audioMs, status }) => ({ audioMs, status })))
      .toEqual([
        { audioMs: 5000, status: 'stopped' },
        { audioMs: 5000, status: 'stopped' },
      ]);
    expect(await figures(user.key)).toMatchObject({ requests: 2, audio_seconds: 10 });
  });

  it('is exact over many requests at once', async () => {
    const { other } = await start({ maxQueue: 1000 });
    const lengths = Array.from({ length: 60 }, (_, index) => (index + 1) / 8);
    const answers = await Promise.all(lengths.map((seconds) => post(other.key, seconds)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    const sum = lengths.reduce((total, seconds) => total + seconds, 0);
    expect(await figures(other.key)).toMatchObject({ requests: 60, audio_seconds: sum });
    expect(new Set(rows().map(({ requestId }) => requestId)).size).toBe(60);
  });
});

describe('steno usage', () => {
  it('shows all keys while the server runs', async () => {
    const { user, other } = await start();
    await post(user.key, 2);
    await post(other.key, 1.5);
    buildCli();
    const environment = { STENO_DATA_DIR: server.config.dataDir };
    const table = await runCli(['usage'], { environment });
    expect(table.stderr).toBe('');
    expect(table.stdout).toMatch(new RegExp(`${today()} +${user.row.id} +user +moonshine-tiny +1 +2\\.000`));
    expect(table.stdout).toMatch(/total +- +- +- +2 +3\.500\n$/);
    const json = await runCli(['usage', '--format', 'json', '--key', other.row.id], { environment });
    expect(JSON.parse(json.stdout)).toEqual([
      { day: today(), key_id: other.row.id, model: 'moonshine-tiny', requests: 1, audio_seconds: 1.5 },
    ]);
    expect((await runCli(['usage', '--from', 'x'], { environment })).code).toBe(2);
  });
});
