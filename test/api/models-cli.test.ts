import { readdirSync, readFileSync } from 'node:fs';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CATALOG } from '../../src/models/catalog.ts';
import { type FakeHub, startFakeHub } from '../support/fake-hub.ts';
import { PARAKEET_SAYS, writeGgmlParakeet } from '../support/ggml-parakeet.ts';
import { WHISPER_SAYS, writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { filePart, postForm } from '../support/multipart.ts';
import { buildCli, JFK, runCli, startCli, temporaryFolder } from '../support/run-cli.ts';
import { startTestServer } from '../support/test-server.ts';

// One whose hash the catalogue leaves to the hub, so that a test's own file can stand for it.
const MODEL = CATALOG.models.find(
  ({ architecture, files }) =>
    architecture === 'parakeet' &&
    files.every(({ sha256, sha1 }) => sha256 === undefined && sha1 === undefined),
);
const ID = MODEL?.id ?? 'a Parakeet model without hashes is no longer in the catalogue';
const RESTRICTED = CATALOG.models.find(({ restriction }) => restriction !== undefined);
const FILE = MODEL?.files[0]?.path ?? MODEL?.files[0]?.name ?? '';

const folder = temporaryFolder();
const weightsPath = join(folder.path, 'parakeet.bin');
let weights: Buffer;
let hub: FakeHub;
let dataDir: string;
let environment: Record<string, string>;

beforeAll(async () => {
  buildCli();
  await writeGgmlParakeet(weightsPath);
  weights = await readFile(weightsPath);
});

afterAll(() => folder.remove());

beforeEach(async () => {
  hub = await startFakeHub();
  hub.put(MODEL?.source?.repo ?? '', MODEL?.source?.revision ?? '', FILE, { bytes: weights });
  useDataDir(join(folder.path, 'data'));
});

afterEach(async () => {
  await hub.close();
  await rm(join(folder.path, 'data'), { recursive: true, force: true });
});

function useDataDir(path: string): void {
  dataDir = path;
  environment = { STENO_DATA_DIR: path, HF_ENDPOINT: hub.url, HF_TOKEN: '', NO_PROXY: '*', no_proxy: '*' };
}

const models = (...args: string[]) => runCli(['models', ...args], { environment });

function stateOf(listed: { stdout: string }, id: string): string | undefined {
  const rows = JSON.parse(listed.stdout) as { id: string; state: string }[];
  return rows.find((row) => row.id === id)?.state;
}

describe('steno models', () => {
  it('list shows what is here, and with --all what can be had', async () => {
    const here = await models('list');
    expect(here.code).toBe(0);
    expect(here.stdout).toMatch(/^model +state +size +memory +languages +licence\n/);
    expect(here.stdout).toMatch(/^moonshine-tiny +bundled +28 MB +160 MB +en +MIT$/m);
    expect(here.stdout).not.toContain(ID);
    const all = await models('list', '--all', '--json');
    expect(stateOf(all, 'moonshine-tiny')).toBe('bundled');
    expect(stateOf(all, ID)).toBe('available');
    expect((JSON.parse(all.stdout) as unknown[]).length).toBe(CATALOG.models.length);
    expect(hub.seen).toEqual([]);
  });

  it('pull, verify, list, remove', async () => {
    const pulled = await models('pull', ID);
    expect(pulled).toMatchObject({ code: 0, stdout: '' });
    expect(pulled.stderr).toMatch(new RegExp(`^${ID}: installed, .* checked\\. Licence: `, 'm'));
    // Nobody looks at a terminal here: plain lines.
    expect(pulled.stderr).not.toContain('\x1b');
    expect(stateOf(await models('list', '--json'), ID)).toBe('downloaded');
    expect((await models('pull', ID)).stderr).toContain('is here already');
    expect(hub.transfers).toHaveLength(1);
    const verified = await models('verify');
    expect(verified.code).toBe(0);
    expect(verified.stdout).toBe(`moonshine-tiny: ok, 2 files\n${ID}: ok, 1 file\n`);

    const [manifest] = readdirSync(join(dataDir, 'models', ID)).filter((name) => name.startsWith('v'));
    await truncate(
      join(
        dataDir,
        'models',
        ID,
        manifest ?? '',
        readdirSync(join(dataDir, 'models', ID, manifest ?? ''))[0] ?? '',
      ),
      9,
    );
    const damaged = await models('verify');
    expect(damaged.code).toBe(4);
    expect(damaged.stdout).toMatch(/it has 9 bytes, not \d+\n.*damaged.*steno models pull/);
    expect(stateOf(await models('list', '--json'), ID)).toBe('damaged');
    expect((await models('remove', ID)).stderr).toContain('removed');
    expect((await models('remove', ID)).code).toBe(4);
  });

  it('a lying hub: exit code 4, the reason, and no model', async () => {
    for (const behaviour of [{ flipAt: 5000 }, { extraBytes: 7 }, { lie: 'hash' as const }]) {
      hub.behaviour = behaviour;
      const { code, stderr } = await models('pull', ID);
      expect({ code, stderr }).toMatchObject({ code: 4, stderr: expect.stringContaining('127.0.0.1') });
      expect(stateOf(await models('list', '--all', '--json'), ID)).toBe('available');
    }
  });

  it('names that are wrong, licences that want a yes, and other wrong usage', async () => {
    const unknown = await models('pull', 'whisper-smal', 'moonshine-tiny');
    expect(unknown.code).toBe(4);
    expect(unknown.stderr).toMatch(/Did you mean whisper-small,/);
    expect(unknown.stderr).toContain('moonshine-tiny: is here already');
    expect((await models('pull', '../../etc/passwd')).code).toBe(4);
    expect((await models('pull')).code).toBe(2);
    expect((await models('remove', 'moonshine-tiny')).code).toBe(2);
    expect((await models('import', join(folder.path, 'nothing'))).code).toBe(3);
    const broken = await runCli(['models', 'pull', ID], {
      environment: { ...environment, HF_ENDPOINT: 'ftp://x' },
    });
    expect([broken.code, broken.stderr]).toEqual([2, expect.stringContaining('HF_ENDPOINT')]);
    expect(hub.seen).toEqual([]);
  });

  it.skipIf(RESTRICTED === undefined)('a restricted licence wants --accept-licence', async () => {
    const { code, stderr } = await models('pull', RESTRICTED?.id ?? '');
    expect(code).toBe(2);
    expect(stderr).toContain('--accept-licence');
    expect(stderr).toContain(RESTRICTED?.restriction ?? '');
  });

  it('STENO_OFFLINE=1: nothing is fetched, and it says what to do', async () => {
    const { code, stderr } = await runCli(['models', 'pull', ID], {
      environment: { ...environment, STENO_OFFLINE: '1' },
    });
    expect(code).toBe(4);
    expect(stderr).toContain('steno models import');
    expect(hub.seen).toEqual([]);
  });

  it('a hub that cannot be reached is named', async () => {
    const away = hub.url;
    await hub.close();
    const { code, stderr } = await models('pull', ID);
    expect(code).toBe(4);
    expect(stderr).toContain(new URL(away).host);
    expect(stderr).toContain('HTTPS_PROXY');
    hub = await startFakeHub();
  });
});

describe('interrupted pulls', () => {
  const HALF = 8000;

  async function pullUntilHalf() {
    hub.behaviour = { stallAfterBytes: HALF };
    const running = startCli(['models', 'pull', ID], { environment });
    await hub.sent(HALF);
    for (let tries = 0; tries < 1500 && incomplete() !== HALF; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(incomplete()).toBe(HALF);
    hub.behaviour = {};
    return running;
  }

  function incomplete(): number {
    const paths = readdirSync(join(dataDir, 'models'), { recursive: true }).map(String);
    const path = paths.find((name) => name.endsWith('.incomplete'));
    return path === undefined ? 0 : readFileSync(join(dataDir, 'models', path)).length;
  }

  it('kill -9 midway: the next one takes over at once and goes on', async () => {
    const running = await pullUntilHalf();
    running.child.kill('SIGKILL');
    await running.ended;
    expect(stateOf(await models('list', '--all', '--json'), ID)).toBe('available');
    expect((await models('pull', ID)).code).toBe(0);
    expect(hub.transfers.map(({ range }) => range)).toEqual([undefined, `bytes=${HALF}-`]);
    expect((await models('verify', ID)).code).toBe(0);
  });

  it('Ctrl-C ends it with 130 and says so', async () => {
    const running = await pullUntilHalf();
    running.child.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect(code).toBe(130);
    expect(stderr).toContain('the next pull goes on from here');
    expect(readdirSync(join(dataDir, 'models', '.locks'))).toEqual([]);
    expect((await models('pull', ID)).code).toBe(0);
    expect(hub.transfers.at(-1)?.range).toBe(`bytes=${HALF}-`);
  });

  it('R22 two processes: one download', async () => {
    let open = () => {};
    hub.behaviour = {
      gate: new Promise((resolve) => {
        open = resolve;
      }),
    };
    const first = startCli(['models', 'pull', ID], { environment });
    for (let tries = 0; tries < 1500 && hub.transfers.length === 0; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const second = startCli(['models', 'pull', ID], { environment });
    expect(stateOf(await models('list', '--all', '--json'), ID)).toBe('downloading');
    open();
    expect([(await first.ended).code, (await second.ended).code]).toEqual([0, 0]);
    expect(hub.transfers).toHaveLength(1);
  });
});

describe('a running server', () => {
  it('serves what the command pulls, imports and removes, without a restart', async () => {
    const server = await startTestServer({ transcriber: 'real', config: { engineProcesses: 1 } });
    useDataDir(server.config.dataDir);
    const ask = async (model: string) => {
      const file = filePart(await readFile(JFK));
      const { status, text } = await postForm(server.url, { fields: { model }, file });
      return { status, body: JSON.parse(text) as { text?: string; error?: { message: string } } };
    };
    try {
      const before = await ask(ID);
      expect(before.status).toBe(404);
      expect(before.body.error?.message).toContain(`steno models pull ${ID}`);
      expect((await models('pull', ID)).code).toBe(0);
      expect((await ask(ID)).body.text).toContain(PARAKEET_SAYS);

      const own = join(folder.path, 'tones.bin');
      await writeGgmlWhisper(own);
      const imported = await models(
        'import',
        own,
        '--as',
        'tones',
        '--engine',
        'whisper-cpp',
        '--languages',
        'en,zh,de,fr',
      );
      expect(imported).toMatchObject({ code: 0, stderr: expect.stringContaining('tones: imported') });
      expect((await ask('tones')).body.text).toContain(WHISPER_SAYS.en[0].text);

      expect((await models('remove', ID, 'tones')).code).toBe(0);
      expect((await ask(ID)).status).toBe(404);
      expect((await ask('tones')).status).toBe(404);
    } finally {
      await server.close();
    }
  });

  it('deletes at its start what a pull --force has replaced, and nothing while it runs', async () => {
    const versions = () => readdirSync(join(dataDir, 'models', ID)).filter((name) => name.startsWith('v'));
    expect((await models('pull', ID)).code).toBe(0);
    expect((await models('pull', '--force', ID)).code).toBe(0);
    expect(versions()).toHaveLength(2);
    const server = await startTestServer({ transcriber: 'real', config: { engineProcesses: 1, dataDir } });
    try {
      await expect.poll(versions).toHaveLength(1);
      const [served = ''] = versions();
      expect((await models('pull', '--force', ID)).code).toBe(0);
      expect(versions()).toHaveLength(2);
      expect(versions()).toContain(served);
      const answer = await postForm(server.url, {
        fields: { model: ID },
        file: filePart(await readFile(JFK)),
      });
      expect(answer.text).toContain(PARAKEET_SAYS);
    } finally {
      await server.close();
    }
  });

  it('an import of something else is refused, and nothing is left', async () => {
    const path = join(folder.path, 'wrong.bin');
    await writeFile(path, 'no model');
    const { code, stderr } = await models('import', path, '--as', 'mine', '--engine', 'whisper-cpp');
    expect([code, stderr]).toEqual([3, expect.stringContaining('no ggml model')]);
    expect(stateOf(await models('list', '--json'), 'mine')).toBeUndefined();
  });
});
