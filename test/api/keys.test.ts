import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/http/app.ts';
import { createStoredKey } from '../../src/store/api-key.ts';
import { openDataStore } from '../../src/store/sqlite/open-store.ts';
import { expectEnvelope, postForm } from '../support/multipart.ts';
import { buildCli, runCli } from '../support/run-cli.ts';
import { startTestServer, TEST_KEY, type TestServer } from '../support/test-server.ts';

let server: TestServer;
let log = '';
const keys = { user: '', otherUser: '', admin: '', revoked: '' };

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

beforeAll(async () => {
  server = await startTestServer({
    store: 'file',
    config: { apiKeys: [TEST_KEY], maxFailedKeysPerMinute: 0 },
    log: (line) => {
      log += line;
    },
  });
  // Another connection to the same folder, as steno keys has it.
  const data = await openDataStore(server.config.dataDir);
  keys.user = createStoredKey({ name: 'user', scope: 'user' }, data).key;
  keys.otherUser = createStoredKey({ name: 'other', scope: 'user' }, data).key;
  keys.admin = createStoredKey({ name: 'admin', scope: 'admin' }, data).key;
  const revoked = createStoredKey({ name: 'revoked', scope: 'user' }, data);
  keys.revoked = revoked.key;
  data.store.revokeKey(revoked.row.id, Date.now());
  data.store.close();
});

afterAll(() => server.close());

describe('R20 the auth matrix', () => {
  const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'];
  const PUBLIC = /^\/(?:health|healthz|readyz|openapi\.json|docs(?:\/.*)?)?$/;
  const ADMIN = /^(?:\/metrics|(?:\/v1)?\/models\/pull)$/;
  /** Whoever may list and use models may not change which there are. */
  const isAdmin = (method: string, path: string): boolean =>
    ADMIN.test(path) || (['POST', 'DELETE'].includes(method) && /^(?:\/v1)?\/models\/x/.test(path));

  async function allPaths(): Promise<string[]> {
    const app = await buildApp(server.services);
    const routes = app.printRoutes({ commonPrefix: false }).match(/\/\S*/g) ?? [];
    await app.close();
    const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as { paths: object };
    return [...new Set([...routes, ...Object.keys(document.paths)])].map((path) =>
      path.replace(/[:{]\w+\}?|\*/g, 'x'),
    );
  }

  it('every route x none, bad, revoked, user, other user, admin', async () => {
    const paths = await allPaths();
    for (const path of ['/v1/audio/transcriptions', '/v1/usage', '/metrics', '/v1/models'])
      expect(paths).toContain(path);
    let checks = 0;
    for (const path of paths)
      for (const method of METHODS) {
        const status = async (headers: Record<string, string> = {}) => {
          checks += 1;
          return (await fetch(`${server.url}${path}`, { method, headers })).status;
        };
        const seen = {
          method,
          path,
          none: await status(),
          empty: await status({ authorization: 'Bearer ' }),
          basic: await status({ authorization: `Basic ${btoa(`user:${keys.user}`)}` }),
          bad: await status(bearer('sk-wrong-0123456789')),
          cut: await status(bearer(keys.user.slice(0, -1))),
          revoked: await status(bearer(keys.revoked)),
          user: await status(bearer(keys.user)),
          otherUser: await status({ 'api-key': keys.otherUser }),
          configured: await status(bearer(TEST_KEY)),
          admin: await status(bearer(keys.admin)),
        };
        if (PUBLIC.test(path)) {
          for (const answer of Object.values(seen).slice(2)) expect([401, 403]).not.toContain(answer);
          continue;
        }
        const { none, empty, basic, bad, cut, revoked, user, otherUser, configured, admin } = seen;
        expect({ method, path, refused: [none, empty, basic, bad, cut, revoked] }).toEqual({
          method,
          path,
          refused: [401, 401, 401, 401, 401, 401],
        });
        for (const answer of [user, otherUser, configured])
          if (isAdmin(method, path)) expect({ path, answer }).toEqual({ path, answer: 403 });
          else expect([401, 403], `${method} ${path}`).not.toContain(answer);
        expect([401, 403], `${method} ${path}`).not.toContain(admin);
      }
    expect(checks).toBeGreaterThan(500);
  });

  it('a key in the URL is no key', async () => {
    const answer = await fetch(`${server.url}/v1/models?api_key=${keys.user}&key=${keys.user}`);
    expect(answer.status).toBe(401);
  });

  it('a cut key is told so', async () => {
    const answer = await postForm(server.url, { headers: bearer(keys.user.slice(0, -2)) });
    const message = expectEnvelope(answer, { status: 401, code: 'invalid_api_key' });
    expect(message).toContain('checksum');
    expect(message).not.toContain(keys.user.slice(8, 20));
  });

  it('T15 figures of another key are refused, and its own id is taken', async () => {
    const first = server.services.accounts.store.listKeys().find(({ name }) => name === 'user');
    const ask = (key: string) =>
      fetch(`${server.url}/v1/usage?key_id=${first?.id}`, { headers: bearer(key) });
    expect((await ask(keys.user)).status).toBe(200);
    expect((await ask(keys.admin)).status).toBe(200);
    expectEnvelope(
      await ask(keys.otherUser).then(async (answer) => ({
        status: answer.status,
        headers: answer.headers,
        text: await answer.text(),
      })),
      { status: 403, code: 'admin_required' },
    );
  });
});

describe('revocation', () => {
  it('works for the next request, from another process', async () => {
    buildCli();
    const environment = { STENO_DATA_DIR: server.config.dataDir };
    const made = await runCli(['keys', 'create', '--name', 'short life', '--rpm', '100'], { environment });
    expect(made.code).toBe(0);
    const key = made.stdout.trim();
    expect(key).toMatch(/^steno_[0-9A-Za-z]{49}$/);
    expect(made.stderr).toContain('only time');
    expect((await postForm(server.url, { headers: bearer(key) })).status).toBe(200);

    const list = await runCli(['keys', 'list'], { environment });
    const line = list.stdout.split('\n').find((text) => text.includes('short life')) ?? '';
    expect(line).toMatch(/^key_[0-9a-f]{12} +short life +user .* 100 /);
    expect(list.stdout).not.toContain(key.slice(6, 16));

    const id = line.slice(0, 16);
    const revoking = runCli(['keys', 'revoke', id], { environment });
    expect((await revoking).code).toBe(0);
    const endMs = performance.now();
    const answer = await postForm(server.url, { headers: bearer(key) });
    expectEnvelope(answer, { status: 401, code: 'invalid_api_key' });
    expect(performance.now() - endMs).toBeLessThan(1000);

    const again = await runCli(['keys', 'revoke', id], { environment });
    expect({ code: again.code, stderr: again.stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('No active key'),
    });
  });

  it('of the last key does not open the server', async () => {
    const lone = await startTestServer({ store: 'file' });
    expect((await postForm(lone.url)).status).toBe(200);
    const data = await openDataStore(lone.config.dataDir);
    const { key, row } = createStoredKey({ name: '', scope: 'user' }, data);
    expect((await postForm(lone.url)).status).toBe(401);
    expect((await postForm(lone.url, { headers: bearer(key) })).status).toBe(200);
    data.store.revokeKey(row.id, Date.now());
    data.store.close();
    expect((await postForm(lone.url)).status).toBe(401);
    expect((await postForm(lone.url, { headers: bearer(key) })).status).toBe(401);
    await lone.close();
  });

  it('a stored key lets the server listen elsewhere than on loopback', async () => {
    const first = await startTestServer({ store: 'file' });
    const data = await openDataStore(first.config.dataDir);
    createStoredKey({ name: '', scope: 'user' }, data);
    data.store.close();
    const open = await startTestServer({
      store: 'file',
      config: { host: '0.0.0.0', dataDir: first.config.dataDir },
    });
    expect((await postForm(open.url)).status).toBe(401);
    await open.close();
    await first.close();
  });
});

describe('T13 guessing', () => {
  it('ten failed keys a minute from an address, then 429 without a look; real keys go on', async () => {
    const guarded = await startTestServer({
      store: 'file',
      config: { apiKeys: [TEST_KEY] },
      windowSeconds: 5,
    });
    const data = await openDataStore(guarded.config.dataDir);
    const { key } = createStoredKey({ name: '', scope: 'user' }, data);
    data.store.close();
    const status = async (text: string) => (await postForm(guarded.url, { headers: bearer(text) })).status;
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => status(`sk-guess-${index}-abcdefgh`)),
    );
    expect(answers.filter((answer) => answer === 401)).toHaveLength(10);
    expect(answers.filter((answer) => answer === 429)).toHaveLength(20);
    const refused = await postForm(guarded.url, { headers: bearer(TEST_KEY) });
    const message = expectEnvelope(refused, { status: 429, code: 'rate_limit_exceeded' });
    expect(message).toContain('STENO_MAX_FAILED_KEYS_PER_MINUTE');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await status(key)).toBe(200);
    expect((await fetch(`${guarded.url}/healthz`)).status).toBe(200);
    await expect.poll(() => status(TEST_KEY), { interval: 200 }).toBe(200);
    await guarded.close();
  });
});

describe('R21 keys at rest', () => {
  it('after 1,000 requests no file, log line or figure holds a key', async () => {
    const secrets = [keys.user, keys.otherUser, keys.admin, keys.revoked, TEST_KEY];
    for (let round = 0; round < 100; round += 1)
      await Promise.all(
        Array.from({ length: 10 }, (_, index) => {
          const headers = bearer(secrets[index % secrets.length] ?? '');
          return index < 2
            ? postForm(server.url, { headers })
            : fetch(`${server.url}/v1/models`, { headers });
        }),
      );
    const metrics = await (await fetch(`${server.url}/metrics`, { headers: bearer(keys.admin) })).text();
    expect(metrics).toContain('steno_http_requests_total');
    const { dataDir } = server.config;
    const names = readdirSync(dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(names.some((name) => name.endsWith('.db-wal'))).toBe(true);
    const places: Record<string, string> = { log, metrics };
    for (const name of names) places[name] = readFileSync(name, 'latin1');
    expect(log.split('\n').length).toBeGreaterThan(1000);
    for (const secret of secrets)
      for (const [place, text] of Object.entries(places))
        for (const part of [secret, secret.slice(6, 22), Buffer.from(secret).toString('base64').slice(0, 20)])
          expect(text.includes(part), `${place} holds a part of a key`).toBe(false);
  });
});
