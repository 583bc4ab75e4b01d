import { join } from 'node:path';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CATALOG } from '../../src/models/catalog.ts';
import { createModelLibrary } from '../../src/models/library.ts';
import { createStoredKey } from '../../src/store/api-key.ts';
import { openDataStore } from '../../src/store/sqlite/open-store.ts';
import { type FakeHub, startFakeHub } from '../support/fake-hub.ts';
import { ggmlBytes, hubModel } from '../support/model-entries.ts';
import { expectEnvelope, postForm, RawConnection } from '../support/multipart.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const WEIGHTS = ggmlBytes(400_000);

let hub: FakeHub;
let server: TestServer;
let admin: string;
let user: string;
let inUse: Set<string>;

beforeEach(async () => {
  hub = await startFakeHub();
  inUse = new Set();
  const files = { 'ggml.bin': WEIGHTS };
  server = await startTestServer({
    store: 'file',
    library: {
      models: [
        ...CATALOG.models,
        hubModel(hub, { id: 'acme/small', files }),
        hubModel(hub, {
          id: 'acme/restricted',
          files,
          change: { licence: 'Acme', restriction: 'No commercial use.' },
        }),
      ],
      hub: { endpoint: hub.url, idleTimeoutMs: 60_000 },
      retry: { fruitless: 1, total: 10, firstWaitMs: 1, longestWaitMs: 1 },
      release: async (id) => !inUse.has(id),
    },
  });
  const data = await openDataStore(server.config.dataDir);
  admin = createStoredKey({ name: 'admin', scope: 'admin' }, data).key;
  user = createStoredKey({ name: 'user', scope: 'user' }, data).key;
  data.store.close();
});

afterEach(async () => {
  await server.close();
  await hub.close();
});

interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly key?: string;
}

async function call(path: string, { method = 'GET', body, key = admin }: Call = {}) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

const pull = (body: unknown, key = admin) => call('/v1/models/pull', { method: 'POST', body, key });
const json = ({ text }: { text: string }) => JSON.parse(text) as Record<string, unknown>;

/** Asks until the model has this state; a download is over in moments. */
async function untilState(id: string, state: string): Promise<Record<string, unknown>> {
  for (let tries = 0; tries < 1500; tries += 1) {
    const model = json(await call(`/v1/models/${id}`)) as Record<string, unknown>;
    if (model.state === state) return model;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${id} never was ${state}`);
}

interface PullRow {
  readonly received_bytes: number;
  readonly finished_at: number | null;
}

/** The list of downloads, as soon as it is so. */
async function untilPulls(isSo: (pulls: PullRow[]) => boolean): Promise<PullRow[]> {
  for (let tries = 0; tries < 1500; tries += 1) {
    const { data } = json(await call('/v1/models/pull')) as { data: PullRow[] };
    if (isSo(data)) return data;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the list of downloads never was so');
}

function holdHub(): () => void {
  let open = () => {};
  hub.behaviour = {
    gate: new Promise((resolve) => {
      open = resolve;
    }),
  };
  return () => open();
}

describe('POST /v1/models/pull', () => {
  it('begins a download that belongs to the server; its model is usable when it is done', async () => {
    const release = holdHub();
    const answer = await pull({ model: 'acme/small' });
    expect(answer.status).toBe(202);
    expect(json(answer)).toMatchObject({
      object: 'model.pull',
      model: 'acme/small',
      status: 'downloading',
      finished_at: null,
      error: null,
    });
    expect(await untilState('acme/small', 'downloading')).toMatchObject({ id: 'acme/small' });
    expectEnvelope(await postForm(server.url, { fields: { model: 'acme/small' }, headers: bearer() }), {
      status: 404,
      code: 'model_not_found',
    });
    // The same again joins the one that runs.
    expect((await pull({ model: 'acme/small' })).status).toBe(202);
    release();
    expect(await untilState('acme/small', 'loaded')).toMatchObject({ size_bytes: WEIGHTS.length });
    expect(hub.transfers).toHaveLength(1);
    expect(await untilPulls(([pulled]) => pulled?.finished_at !== null)).toMatchObject([
      { model: 'acme/small', status: 'installed', received_bytes: WEIGHTS.length },
    ]);
    const used = await postForm(server.url, { fields: { model: 'acme/small' }, headers: bearer() });
    expect(used.status).toBe(200);
    const again = await pull({ model: 'acme/small' });
    expect([again.status, json(again).status]).toEqual([200, 'installed']);
    expect(hub.transfers).toHaveLength(1);
  });

  const bearer = () => ({ authorization: `Bearer ${user}` });

  it('with stream tells how far it is, and ends with done', async () => {
    const release = holdHub();
    const answering = pull({ model: 'acme/small', stream: true });
    await untilState('acme/small', 'downloading');
    release();
    const { status, headers, text } = await answering;
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = text.split('\r\n\r\n').filter((event) => event !== '');
    expect(events.at(-1)).toBe('data: [DONE]');
    const bodies = events.slice(0, -1).map((event) => JSON.parse(event.replace('data: ', '')));
    expect(bodies[0]).toMatchObject({ type: 'model.pull.progress', pull: { status: 'downloading' } });
    expect(bodies.at(-1)).toMatchObject({ type: 'model.pull.done', pull: { status: 'installed' } });
  });

  it('goes on when the client that streams leaves', async () => {
    const release = holdHub();
    const body = JSON.stringify({ model: 'acme/small', stream: true });
    const connection = new RawConnection(server.port)
      .post(
        [
          `Authorization: Bearer ${admin}`,
          'Content-Type: application/json',
          `Content-Length: ${body.length}`,
        ],
        '/v1/models/pull',
      )
      .write(body);
    await connection.until((received) => received.includes('model.pull.progress'));
    connection.close();
    release();
    await untilState('acme/small', 'loaded');
  });

  it('tells in the stream and in the list why it failed', async () => {
    hub.behaviour = { flipAt: 100_000 };
    const { text } = await pull({ model: 'acme/small', stream: true });
    const last =
      text
        .split('\r\n\r\n')
        .filter((event) => event !== '')
        .at(-1) ?? '';
    expect(JSON.parse(last.replace('data: ', ''))).toMatchObject({
      error: { code: 'download_refused', type: 'server_error' },
    });
    const { data } = json(await call('/v1/models/pull')) as { data: unknown[] };
    expect(data).toMatchObject([{ status: 'failed', error: { code: 'download_refused' } }]);
    expect(json(await call('/v1/models/acme/small'))).toMatchObject({ state: 'downloadable' });
  });

  it('refuses at once what no connection would change', async () => {
    expectEnvelope(await pull({ model: 'acme/smal' }), { status: 404, code: 'model_not_found' });
    expectEnvelope(await pull({ model: '../../etc' }), { status: 404, code: 'model_not_found' });
    expectEnvelope(await pull({ model: 'acme/restricted' }), { status: 403, code: 'licence_not_accepted' });
    expectEnvelope(await pull({}), { status: 400, param: 'model' });
    expectEnvelope(await pull({ model: 'acme/small', path: '/etc/passwd' }), { status: 400, param: 'path' });
    expectEnvelope(await pull({ model: 'acme/small', stream: 'yes' }), { status: 400, param: 'stream' });
    expectEnvelope(await pull('{"model"'), { status: 400, code: 'invalid_request' });
    expectEnvelope(await pull({ model: 'x'.repeat(100_000) }), { status: 413 });
    expectEnvelope(await call('/v1/models/pull', { method: 'POST' }), {
      status: 400,
      code: 'unsupported_content_type',
    });
    expect(hub.seen).toEqual([]);
    expect((await pull({ model: 'acme/restricted', accept_licence: true })).status).toBe(202);
    await untilState('acme/restricted', 'loaded');
  });

  it('says 403 when the server is told to fetch nothing', async () => {
    const offline = await startTestServer({
      library: {
        models: [...CATALOG.models, hubModel(hub, { id: 'acme/small', files: { 'ggml.bin': WEIGHTS } })],
        hub: { endpoint: hub.url },
        offline: true,
      },
    });
    const response = await fetch(`${offline.url}/v1/models/pull`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'acme/small' }),
    });
    const { error } = (await response.json()) as { error: { code: string } };
    expect([response.status, error.code]).toEqual([403, 'offline']);
    expect(hub.seen).toEqual([]);
    await offline.close();
  });

  it('is for admins', async () => {
    for (const path of ['/v1/models/pull', '/models/pull'])
      expectEnvelope(await call(path, { method: 'POST', body: { model: 'acme/small' }, key: user }), {
        status: 403,
        code: 'admin_required',
      });
    for (const [method, path] of [
      ['GET', '/v1/models/pull'],
      ['DELETE', '/v1/models/acme/small'],
      ['DELETE', '/models/acme%2Fsmall'],
      ['POST', '/v1/models/acme/small/verify'],
    ] as const)
      expectEnvelope(await call(path, { method, key: user }), { status: 403, code: 'admin_required' });
    expect(hub.seen).toEqual([]);
  });

  it('a server that is shut down ends its downloads, and the next start goes on with them', async () => {
    hub.behaviour = { stallAfterBytes: 100_000 };
    await pull({ model: 'acme/small' });
    await untilPulls(([pulled]) => pulled?.received_bytes === 100_000);
    await server.services.library.close();
    const { data } = json(await call('/v1/models/pull')) as { data: unknown[] };
    expect(data).toMatchObject([{ status: 'cancelled' }]);
    hub.behaviour = {};
    const next = createModelLibrary({
      models: [hubModel(hub, { id: 'acme/small', files: { 'ggml.bin': WEIGHTS } })],
      bundledDir: '',
      modelsDir: join(server.config.dataDir, 'models'),
      hub: { endpoint: hub.url },
    });
    await next.install('acme/small');
    await next.close();
    expect(hub.transfers.map(({ range }) => range)).toEqual([undefined, 'bytes=100000-']);
  });
});

describe('DELETE /v1/models/{id}', () => {
  it('answers as OpenAI does', async () => {
    await pull({ model: 'acme/small', stream: true });
    const client = new OpenAI({ apiKey: admin, baseURL: `${server.url}/v1`, maxRetries: 0 });
    expect(await client.models.delete('acme/small')).toMatchObject({
      id: 'acme/small',
      object: 'model',
      deleted: true,
      freed_bytes: WEIGHTS.length,
    });
    expect(json(await call('/v1/models/acme/small'))).toMatchObject({ state: 'downloadable' });
    await expect(client.models.delete('acme/small')).rejects.toMatchObject({ status: 404 });
  });

  it('leaves a model that requests use, and those of the package', async () => {
    await pull({ model: 'acme/small', stream: true });
    inUse.add('acme/small');
    expectEnvelope(await call('/v1/models/acme/small', { method: 'DELETE' }), {
      status: 409,
      code: 'model_in_use',
    });
    expectEnvelope(await call('/v1/models/moonshine-tiny', { method: 'DELETE' }), { status: 400 });
    expectEnvelope(await call('/v1/models/whisper-1', { method: 'DELETE' }), { status: 400 });
    expectEnvelope(await call('/v1/models/..%2f..%2fetc', { method: 'DELETE' }), { status: 404 });
  });

  it('ends a download', async () => {
    hub.behaviour = { stallAfterBytes: 100_000 };
    const streaming = pull({ model: 'acme/small', stream: true });
    await hub.sent(100_000);
    expect((await call('/v1/models/acme/small', { method: 'DELETE' })).status).toBe(200);
    expect((await streaming).text).toContain('"code":"aborted"');
    expect(json(await call('/v1/models/acme/small'))).toMatchObject({ state: 'downloadable' });
  });
});

describe('POST /v1/models/{id}/verify', () => {
  it('reads the files', async () => {
    await pull({ model: 'acme/small', stream: true });
    expect(json(await call('/v1/models/acme/small/verify', { method: 'POST' }))).toEqual({
      object: 'model.verification',
      model: 'acme/small',
      ok: true,
      outdated: false,
      files: [{ name: 'ggml.bin', ok: true, problem: null }],
    });
    expect(json(await call('/v1/models/moonshine-tiny/verify', { method: 'POST' }))).toMatchObject({
      ok: true,
    });
    expectEnvelope(await call('/v1/models/acme/restricted/verify', { method: 'POST' }), { status: 404 });
  });
});
