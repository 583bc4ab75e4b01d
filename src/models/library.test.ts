import { fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeHub, startFakeHub } from '../../test/support/fake-hub.ts';
import { ggmlBytes, hubModel, TEST_REVISION } from '../../test/support/model-entries.ts';
import type { ModelEntry } from './catalog.ts';
import { createModelLibrary, type ModelLibrary, type ModelLibraryOptions } from './library.ts';
import { takeLock } from './model-lock.ts';

const RETRY = { fruitless: 3, total: 100, firstWaitMs: 1, longestWaitMs: 50 };
const WEIGHTS = ggmlBytes(500_000);
const OTHER_WEIGHTS = ggmlBytes(500_000, 2);
const TOKENS = Buffer.from('{"tokens":["a","b"]}');

let hub: FakeHub;
let folder: string;
let libraries: ModelLibrary[];

beforeEach(async () => {
  hub = await startFakeHub();
  folder = await mkdtemp(join(tmpdir(), 'steno-library-'));
  libraries = [];
});

afterEach(async () => {
  for (const library of libraries) await library.close();
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

function small(change: Partial<Parameters<typeof hubModel>[1]> = {}): ModelEntry {
  return hubModel(hub, {
    id: 'acme/small',
    files: { 'ggml.bin': WEIGHTS, 'tokens.json': TOKENS },
    ...change,
  });
}

function open(models: readonly ModelEntry[], options: Partial<ModelLibraryOptions> = {}): ModelLibrary {
  const library = createModelLibrary({
    models,
    bundledDir: join(folder, 'bundled'),
    modelsDir: join(folder, 'models'),
    hub: { endpoint: hub.url, idleTimeoutMs: 30_000 },
    retry: RETRY,
    ...options,
  });
  libraries.push(library);
  return library;
}

function expectInstalled(library: ModelLibrary, id: string, files: Readonly<Record<string, Buffer>>): void {
  const directory = library.directoryOf(id) ?? '';
  expect(readdirSync(directory).sort()).toEqual(Object.keys(files).sort());
  for (const [name, bytes] of Object.entries(files))
    expect(readFileSync(join(directory, name)).equals(bytes), name).toBe(true);
}

describe('install', () => {
  it('fetches all files, with size and hash from the hub where the catalogue does not know them', async () => {
    const library = open([small()]);
    expect(library.presenceOf('acme/small')).toBe('available');
    const states: number[] = [];
    const installed = await library.install('acme/small', {
      onProgress: ({ receivedBytes, totalBytes }) => {
        expect(totalBytes).toBe(WEIGHTS.length + TOKENS.length);
        states.push(receivedBytes);
      },
    });
    expect(installed).toMatchObject({ origin: 'download', revision: TEST_REVISION, outdated: false });
    expect(states.at(-1)).toBe(WEIGHTS.length + TOKENS.length);
    expectInstalled(library, 'acme/small', { 'ggml.bin': WEIGHTS, 'tokens.json': TOKENS });
    expect(library.presenceOf('acme/small')).toBe('installed');
    expect(library.installed().map(({ entry }) => entry.id)).toEqual(['acme/small']);
    expect(await library.verify('acme/small')).toMatchObject({ ok: true, outdated: false });
    // One folder for one id, one version in it, and no lock left.
    expect(readdirSync(join(folder, 'models'))).toEqual(['.locks', 'acme%2Fsmall']);
    expect(readdirSync(join(folder, 'models', 'acme%2Fsmall'))).toHaveLength(2);
    expect(readdirSync(join(folder, 'models', '.locks'))).toEqual([]);
  });

  it('asks the hub nothing when the catalogue knows all hashes, and nothing at all when the model is here', async () => {
    const library = open([small({ known: 'sha256' })]);
    await library.install('acme/small');
    expect(hub.seen.map(({ method }) => method)).toEqual(['GET', 'GET']);
    await library.install('acme/small');
    expect(hub.seen).toHaveLength(2);
    await library.install('acme/small', { force: true });
    expect(hub.seen).toHaveLength(4);
  });

  it('checks what the catalogue knows beside what the hub says', async () => {
    const honest = small({ known: 'sha1' });
    await open([honest]).install('acme/small');
    expect(open([honest]).get('acme/small')).toMatchObject({ outdated: false });
    const files = honest.files.map((file) => ({ ...file, sha1: 'b'.repeat(40) }));
    const library = open([{ ...honest, id: 'acme/other', files } as ModelEntry]);
    await expect(library.install('acme/other')).rejects.toMatchObject({
      code: 'download_refused',
      message: expect.stringContaining('SHA-1'),
    });
    expect(library.get('acme/other')).toBeUndefined();
  });

  it('R22 refuses a hub that lies about hash or size, and leaves nothing that could be taken for the model', async () => {
    const library = open([small()]);
    for (const lie of ['hash', 'size'] as const) {
      hub.behaviour = { lie };
      await expect(library.install('acme/small')).rejects.toMatchObject({ code: 'download_refused' });
      expect(library.get('acme/small')).toBeUndefined();
    }
    const known = open([small({ known: 'sha256', change: { id: 'acme/known' } })]);
    hub.behaviour = { flipAt: 1000 };
    await expect(known.install('acme/known')).rejects.toMatchObject({ code: 'download_refused' });
    expect(known.get('acme/known')).toBeUndefined();
    hub.behaviour = {};
    await library.install('acme/small');
    expectInstalled(library, 'acme/small', { 'ggml.bin': WEIGHTS, 'tokens.json': TOKENS });
  });

  it('R22 refuses a listing that differs from the catalogue before a byte comes', async () => {
    const model = small({ known: 'sha256' });
    const [weights, ...others] = model.files;
    const files = [weights, ...others.map(({ sha256: _, ...file }) => file)];
    hub.put('acme/acme-small', TEST_REVISION, 'weights/ggml.bin', { bytes: OTHER_WEIGHTS });
    const library = open([{ ...model, files } as ModelEntry]);
    await expect(library.install('acme/small')).rejects.toMatchObject({
      code: 'download_refused',
      message: expect.stringMatching(/another ggml.bin .* than the catalogue knows/),
    });
    expect(hub.transfers).toEqual([]);
  });

  it('answers what a hub gets wrong about a listing with what is wrong', async () => {
    const library = open([small()]);
    const wrongs = [
      ['no-hash', /tells no hash/],
      ['no-file', /has no file weights\/ggml.bin/],
      ['no-json', /something that is none/],
      ['huge', /too many bytes/],
    ] as const;
    for (const [lie, message] of wrongs) {
      hub.behaviour = { lie };
      await expect(library.install('acme/small')).rejects.toThrow(message);
    }
    hub.behaviour = { status: { code: 503, times: 2 } };
    await library.install('acme/small');
    const gone = hubModel(undefined, { id: 'gone', files: { 'ggml.bin': WEIGHTS } });
    await expect(open([gone]).install('gone')).rejects.toThrow(/status 404/);
    hub.token = 'hf_x';
    await expect(open([gone]).install('gone')).rejects.toThrow(/HF_TOKEN/);
  });

  it('sends the token of any form to the hub alone', async () => {
    hub.token = 'no-prefix';
    hub.behaviour = { redirect: 'cdn' };
    const library = open([small()], { hub: { endpoint: `${hub.url}/`, token: 'no-prefix' } });
    await library.install('acme/small');
    expect(hub.seen.filter(({ host }) => host === 'cdn')).toHaveLength(2);
    for (const { host, authorization, acceptEncoding } of hub.seen) {
      expect(authorization).toBe(host === 'hub' ? 'Bearer no-prefix' : undefined);
      expect(acceptEncoding).toBe('identity');
    }
  });

  it('goes on after a failure with the files and bytes it has', async () => {
    const library = open([small()]);
    hub.behaviour = { cutAfterBytes: 200_000, goneAfterRequests: 1 };
    await expect(library.install('acme/small')).rejects.toMatchObject({ code: 'download_failed' });
    expect(library.get('acme/small')).toBeUndefined();
    hub.behaviour = {};
    await open([small()]).install('acme/small');
    expect(hub.transfers.map(({ path, range }) => [path.split('/').at(-1), range]).slice(2)).toEqual([
      ['ggml.bin', expect.stringMatching(/^bytes=\d+-$/)],
      ['tokens.json', undefined],
    ]);
  });

  it('R22 the old version serves until the new one is whole', async () => {
    const old = open([small({ known: 'sha256' })]);
    await old.install('acme/small');
    const before = old.directoryOf('acme/small');
    hub.put('acme/acme-small', TEST_REVISION, 'weights/ggml.bin', { bytes: OTHER_WEIGHTS });
    const newer = small({ known: 'sha256', files: { 'ggml.bin': OTHER_WEIGHTS, 'tokens.json': TOKENS } });
    const library = open([newer]);
    expect(library.get('acme/small')).toMatchObject({ outdated: true, directory: before });
    hub.behaviour = { flipAt: 3000 };
    await expect(library.install('acme/small')).rejects.toMatchObject({ code: 'download_refused' });
    expect(library.directoryOf('acme/small')).toBe(before);
    expectInstalled(library, 'acme/small', { 'ggml.bin': WEIGHTS, 'tokens.json': TOKENS });
    hub.behaviour = {};
    await library.install('acme/small');
    expectInstalled(library, 'acme/small', { 'ggml.bin': OTHER_WEIGHTS, 'tokens.json': TOKENS });
    expect(library.directoryOf('acme/small')).not.toBe(before);
    expect(library.get('acme/small')?.outdated).toBe(false);
  });

  it('the version before stays for processes that are loading it: until the next one, or until a server starts', async () => {
    const library = open([small()]);
    const pull = async (): Promise<string> => {
      await library.install('acme/small', { force: true });
      return library.directoryOf('acme/small') ?? '';
    };
    const first = await pull();
    const second = await pull();
    expect(second).not.toBe(first);
    // As a process reads it that asked for the folder before.
    expect(readFileSync(join(first, 'ggml.bin')).equals(WEIGHTS)).toBe(true);
    const third = await pull();
    expect([first, second, third].map((path) => existsSync(path))).toEqual([false, true, true]);

    hub.behaviour = { stallAfterBytes: 100_000 };
    const running = library.install('acme/small', { force: true });
    running.catch(() => undefined);
    await hub.sent(hub.sentBytes + 100_000);
    const server = open([small()]);
    // Somebody is at work on this model.
    await server.removeOldVersions();
    expect(existsSync(second)).toBe(true);
    await library.close();
    await server.removeOldVersions();
    expect([second, third].map((path) => existsSync(path))).toEqual([false, true]);
    expectInstalled(server, 'acme/small', { 'ggml.bin': WEIGHTS, 'tokens.json': TOKENS });
    // What was fetched of the next version is kept, and no lock.
    expect(readdirSync(join(folder, 'models', 'acme%2Fsmall')).sort()).toEqual([
      expect.stringMatching(/^incoming-/),
      'manifest.json',
      expect.stringMatching(/^v/),
    ]);
    expect(readdirSync(join(folder, 'models', '.locks'))).toEqual([]);
    hub.behaviour = {};
    await server.install('acme/small', { force: true });
    const { freedBytes } = await server.remove('acme/small');
    expect(freedBytes).toBe(2 * (WEIGHTS.length + TOKENS.length));
  });

  it('STENO_OFFLINE: no connection is made', async () => {
    const library = open([small()], { offline: true });
    await expect(library.install('acme/small')).rejects.toMatchObject({ code: 'offline' });
    expect(hub.seen).toEqual([]);
  });

  it('a licence that restricts the use wants a yes first', async () => {
    const library = open([
      small({ change: { licence: 'Acme Community', restriction: 'No commercial use.' } }),
    ]);
    await expect(library.install('acme/small')).rejects.toMatchObject({
      code: 'licence_not_accepted',
      message: expect.stringContaining('No commercial use.'),
    });
    expect(hub.seen).toEqual([]);
    await library.install('acme/small', { acceptLicence: true });
    await library.install('acme/small');
  });

  it('looks at the disk before it begins', async () => {
    const library = open([small()], { diskReserveBytes: 2 ** 50 });
    await expect(library.install('acme/small')).rejects.toMatchObject({ code: 'storage_full' });
    expect(hub.transfers).toEqual([]);
  });

  it('unknown names get names that are alike; what is no id leads nowhere', async () => {
    const library = open([small()]);
    await expect(library.install('acme/smal')).rejects.toThrow(/Did you mean acme\/small\?/);
    await writeFile(join(folder, 'manifest.json'), '{}');
    for (const id of ['..', '../..', '/etc', 'a/../b', 'a/b/c', '.', 'a\0b', 'x'.repeat(200)])
      for (const work of [library.install(id), library.remove(id), library.verify(id)])
        await expect(work).rejects.toMatchObject({
          code: expect.stringMatching(/model_not_found|invalid_value/),
        });
    expect(existsSync(join(folder, 'manifest.json'))).toBe(true);
  });
});

describe('several at once', () => {
  it('share one download, and it ends when the last one leaves', async () => {
    let openGate = () => {};
    hub.behaviour = {
      gate: new Promise((resolve) => {
        openGate = resolve;
      }),
    };
    const library = open([small()]);
    const leaving = new AbortController();
    const first = library.install('acme/small', { signal: leaving.signal });
    const second = library.install('acme/small');
    leaving.abort();
    await expect(first).rejects.toMatchObject({ code: 'aborted' });
    expect(library.presenceOf('acme/small')).toBe('downloading');
    openGate();
    await second;
    expect(hub.transfers).toHaveLength(2);

    hub.behaviour = { stallAfterBytes: 100_000 };
    const alone = new AbortController();
    const third = library.install('acme/small', { force: true, signal: alone.signal });
    await hub.sent(hub.sentBytes + 100_000);
    alone.abort();
    await expect(third).rejects.toMatchObject({ code: 'aborted' });
    expect(library.presenceOf('acme/small')).toBe('installed');
    expect(readdirSync(join(folder, 'models', '.locks'))).toEqual([]);
  });

  it('two libraries, as two processes have them, make one download', async () => {
    let openGate = () => {};
    hub.behaviour = {
      gate: new Promise((resolve) => {
        openGate = resolve;
      }),
    };
    const [one, two] = [open([small()]), open([small()])];
    let first = Promise.resolve<unknown>(undefined);
    await new Promise<void>((resolve) => {
      first = one.install('acme/small', { onProgress: () => resolve() });
    });
    let second = Promise.resolve<unknown>(undefined);
    await new Promise<void>((resolve) => {
      second = two.install('acme/small', { onProgress: ({ state }) => state === 'waiting' && resolve() });
    });
    expect(two.progressOf('acme/small')).toMatchObject({ state: 'waiting' });
    expect(open([small()]).presenceOf('acme/small')).toBe('downloading');
    openGate();
    await Promise.all([first, second]);
    expect(hub.transfers).toHaveLength(2);
    expectInstalled(two, 'acme/small', { 'ggml.bin': WEIGHTS, 'tokens.json': TOKENS });
  });

  it('takes over the lock of a killed process at once', async () => {
    const path = join(folder, 'a.lock');
    const code = `import { takeLock } from ${JSON.stringify(new URL('./model-lock.ts', import.meta.url).href)};
      await takeLock(${JSON.stringify(path)}); process.send('held'); setInterval(() => {}, 1000);`;
    await writeFile(join(folder, 'holder.mts'), code);
    const child = fork(join(folder, 'holder.mts'), { execArgv: ['--import', import.meta.resolve('tsx')] });
    await new Promise((resolve) => child.once('message', resolve));
    let waits = 0;
    const controller = new AbortController();
    const refused = takeLock(path, {
      signal: controller.signal,
      pollMs: 5,
      onWait: () => {
        waits += 1;
        if (waits === 3) controller.abort();
      },
    });
    await expect(refused).rejects.toThrow();
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    // Several find the dead lock together: one after the other gets it.
    let holders = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const lock = await takeLock(path, { pollMs: 1 });
        holders += 1;
        expect(holders).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        holders -= 1;
        await lock.release();
      }),
    );
  });
});

describe('what another process does', () => {
  it('counts at once: a pull, a removal, damage', async () => {
    const server = open([small()]);
    const command = open([small()]);
    expect(server.isInstalled('acme/small')).toBe(false);
    await command.install('acme/small');
    expect(server.isInstalled('acme/small')).toBe(true);
    await truncate(join(server.directoryOf('acme/small') ?? '', 'ggml.bin'), 10);
    expect(server.isInstalled('acme/small')).toBe(false);
    expect(server.presenceOf('acme/small')).toBe('damaged');
    expect(await server.verify('acme/small')).toMatchObject({
      ok: false,
      files: [{ name: 'ggml.bin', problem: 'it has 10 bytes, not 500000' }, { name: 'tokens.json' }],
    });
    await command.install('acme/small');
    expect(server.presenceOf('acme/small')).toBe('installed');
    await command.remove('acme/small');
    expect(server.presenceOf('acme/small')).toBe('available');
    await expect(command.remove('acme/small')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('verify finds a flipped bit that the size does not show', async () => {
    const library = open([small()]);
    await library.install('acme/small');
    const path = join(library.directoryOf('acme/small') ?? '', 'ggml.bin');
    const bytes = readFileSync(path);
    bytes[400_000] = (bytes[400_000] ?? 0) ^ 4;
    await writeFile(path, bytes);
    const report = await library.verify('acme/small');
    expect(report.ok).toBe(false);
    expect(report.files[0]?.problem).toMatch(/SHA-256/);
  });
});

describe('remove', () => {
  it('asks for the memory first, and leaves a model alone that is in use', async () => {
    let inUse = true;
    const library = open([small()], { release: async () => !inUse });
    await library.install('acme/small');
    await expect(library.remove('acme/small')).rejects.toMatchObject({ code: 'model_in_use' });
    expect(library.isInstalled('acme/small')).toBe(true);
    inUse = false;
    expect(await library.remove('acme/small')).toEqual({
      id: 'acme/small',
      freedBytes: WEIGHTS.length + TOKENS.length,
    });
    expect(readdirSync(join(folder, 'models')).filter((name) => name !== '.locks')).toEqual([]);
  });

  it('ends a download and deletes what is there of it', async () => {
    const library = open([small()]);
    hub.behaviour = { stallAfterBytes: 100_000 };
    let running = Promise.resolve<unknown>(undefined);
    await new Promise<void>((resolve) => {
      running = library.install('acme/small', {
        onProgress: ({ receivedBytes }) => receivedBytes === 100_000 && resolve(),
      });
      running.catch(() => undefined);
    });
    const { freedBytes } = await library.remove('acme/small');
    expect(freedBytes).toBe(100_000);
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(library.presenceOf('acme/small')).toBe('available');
  });

  it('does not touch what comes with the package', async () => {
    const bundled = { ...small(), bundled: true } as unknown as ModelEntry;
    await expect(open([bundled]).remove('acme/small')).rejects.toMatchObject({ code: 'invalid_value' });
  });
});

describe('importModel', () => {
  const source = (...parts: string[]) => join(folder, 'source', ...parts);

  beforeEach(async () => {
    await mkdir(source(), { recursive: true });
    await writeFile(source('ggml.bin'), WEIGHTS);
    await writeFile(source('tokens.json'), TOKENS);
  });

  it('knows a model by its files, in a folder as the hub has it or flat', async () => {
    await mkdir(source('repository', 'weights'), { recursive: true });
    for (const name of ['ggml.bin', 'tokens.json'])
      await cp(source(name), source('repository', 'weights', name));
    for (const path of [source('repository'), source('repository', 'weights')]) {
      const library = open([small({ known: 'sha256' })], { offline: true });
      expect(await library.importModel({ path })).toMatchObject({ origin: 'import', unchecked: [] });
      expectInstalled(library, 'acme/small', { 'ggml.bin': WEIGHTS, 'tokens.json': TOKENS });
      await library.remove('acme/small');
    }
    expect(hub.seen).toEqual([]);
  });

  it('tells models of the same names apart by their hashes, or asks', async () => {
    const files = { 'ggml.bin': OTHER_WEIGHTS, 'tokens.json': TOKENS };
    const twins = (known: 'sha256' | 'nothing') => [
      small({ known }),
      hubModel(hub, { id: 'acme/twin', files, known }),
    ];
    expect((await open(twins('sha256')).importModel({ path: source() })).entry.id).toBe('acme/small');
    const unknown = open(twins('nothing'));
    await expect(unknown.importModel({ path: source() })).rejects.toThrow(/--as/);
    const imported = await unknown.importModel({ path: source(), as: 'acme/twin' });
    expect(imported).toMatchObject({ unchecked: ['ggml.bin', 'tokens.json'] });
  });

  it('knows a renamed single file by its hash', async () => {
    const one = hubModel(hub, { id: 'one', files: { 'ggml-one.bin': WEIGHTS }, known: 'sha1' });
    const two = hubModel(hub, { id: 'two', files: { 'ggml-two.bin': OTHER_WEIGHTS }, known: 'sha1' });
    await writeFile(source('download(1).bin'), OTHER_WEIGHTS);
    const library = open([one, two]);
    expect((await library.importModel({ path: source('download(1).bin') })).entry.id).toBe('two');
    expectInstalled(library, 'two', { 'ggml-two.bin': OTHER_WEIGHTS });
  });

  it('refuses wrong bytes, wrong kinds, links and what it does not know; nothing is left', async () => {
    const library = open([
      small({ known: 'sha256' }),
      hubModel(hub, { id: 'any', files: { 'any.bin': WEIGHTS } }),
    ]);
    const refused = (path: string, as?: string) => expect(library.importModel({ path, as })).rejects;
    await writeFile(source('ggml.bin'), OTHER_WEIGHTS);
    await refused(source()).toThrow(/SHA-256/);
    await refused(source(), 'acme/small').toThrow(/SHA-256/);
    await writeFile(source('any.bin'), Buffer.alloc(WEIGHTS.length, 'GGUF'));
    await refused(source('any.bin')).toThrow(/GGUF/);
    await writeFile(source('any.bin'), Buffer.alloc(WEIGHTS.length, 1));
    await refused(source('any.bin')).toThrow(/no ggml model/);
    await writeFile(source('other.bin'), ggmlBytes(99));
    await refused(source('other.bin')).toThrow(/--as NAME --engine/);
    await refused(source('missing')).toThrow(/no such file/);
    await refused(source('tokens.json'), 'acme/small').toThrow(/weights\/ggml.bin/);
    await symlink(source('ggml.bin'), source('link.bin'));
    await refused(source('link.bin')).toThrow(/symbolic link.*cp -rL/);
    await refused(source()).toThrow(/symbolic link/);
    expect(library.installed()).toEqual([]);
    expect(library.idsOnDisk()).toEqual([]);
  });

  it("takes a model of one's own under a name of its own, whose facts stay with it", async () => {
    const library = open([small(), hubModel(hub, { id: 'w', files: { 'w.bin': WEIGHTS } })]);
    const request = { path: source('ggml.bin'), engine: 'whisper-cpp' } as const;
    const { entry } = await library.importModel({ ...request, as: 'me/fine-tuned', licence: 'mine' });
    expect(entry).toMatchObject({
      id: 'me/fine-tuned',
      engine: 'whisper-cpp',
      architecture: 'whisper',
      languages: ['en', 'de'],
      licence: 'mine',
      speed: 'fast',
      abilities: { translate: true },
    });
    expectInstalled(library, 'me/fine-tuned', { 'model.bin': WEIGHTS });
    const later = open([small()]);
    expect(later.models().map(({ id }) => id)).toEqual(['acme/small', 'me/fine-tuned']);
    expect(later.resolve('me/fine-tuned')).toEqual(entry);
    await expect(later.install('me/fine-tuned', { force: true })).rejects.toThrow(/imported/);
    expect(await later.verify('me/fine-tuned')).toMatchObject({ ok: true });
    await later.remove('me/fine-tuned');
    expect(later.models().map(({ id }) => id)).toEqual(['acme/small']);
  });

  it('refuses names that are taken, look like paths or are mistyped, and headers that are none', async () => {
    const library = open([small()]);
    const as = (name: string, more: object = { engine: 'whisper-cpp' }) =>
      expect(library.importModel({ path: source('ggml.bin'), as: name, ...more })).rejects;
    await as('ACME/small').toThrow(/too much like/);
    for (const name of ['../x', 'a/b/c', '.x', '']) await as(name).toMatchObject({ code: 'invalid_value' });
    await as('acme/smal', {}).toThrow(/Did you mean acme\/small\?.*--engine/);
    await as('mine', { engine: 'whisper-cpp', languages: ['xx'] }).toThrow(/not xx/);
    await writeFile(source('ggml.bin'), Buffer.concat([WEIGHTS.subarray(0, 4), Buffer.alloc(1000, 255)]));
    await as('mine').toThrow(/--architecture parakeet/);
  });
});
