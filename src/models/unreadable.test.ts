import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ggmlBytes, hubModel } from '../../test/support/model-entries.ts';
import { createModelLibrary, type ModelLibrary } from './library.ts';

let folder: string;
let library: ModelLibrary;
const modelsDir = () => join(folder, 'models');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-unreadable-'));
  const models = ['first', 'second'].map((id) =>
    hubModel(undefined, { id, files: { 'ggml.bin': ggmlBytes(1000) } }),
  );
  library = createModelLibrary({ models, bundledDir: join(folder, 'bundled'), modelsDir: modelsDir() });
  await writeFile(join(folder, 'ggml.bin'), ggmlBytes(1000));
  await library.importModel({ path: join(folder, 'ggml.bin'), as: 'first' });
});
afterEach(async () => {
  await library.close();
  await rm(folder, { recursive: true });
});

/** A link to itself cannot be read by anybody, not even by root. */
async function closeManifest(id: string): Promise<string> {
  const path = join(modelsDir(), id, 'manifest.json');
  await mkdir(join(modelsDir(), id), { recursive: true });
  await symlink(path, path);
  return path;
}

describe('a model that this user may not read', () => {
  it('hides no other, is told with its path, and can be removed', async () => {
    expect(library.unreadable()).toEqual([]);
    const path = await closeManifest('second');
    await closeManifest('own');
    expect(library.models().map(({ id }) => id)).toEqual(['first', 'second']);
    expect(library.installed().map(({ entry }) => entry.id)).toEqual(['first']);
    expect(library.presenceOf('second')).toBe('damaged');
    expect(library.idsOnDisk()).toEqual(['first', 'own', 'second']);
    expect(library.unreadable()).toContainEqual({ path, code: 'ELOOP' });
    expect(await library.verify('second')).toMatchObject({
      ok: false,
      files: [{ name: 'manifest.json', problem: 'it cannot be read' }],
    });
    await library.remove('second');
    await library.remove('own');
    expect(library.idsOnDisk()).toEqual(['first']);
    expect(library.unreadable()).toEqual([]);
  });

  it('is mended by an import, as one with a damaged manifest is', async () => {
    await mkdir(join(modelsDir(), 'second'));
    await writeFile(join(modelsDir(), 'second', 'manifest.json'), '{"format":');
    expect(library.presenceOf('second')).toBe('damaged');
    await library.importModel({ path: join(folder, 'ggml.bin'), as: 'second' });
    expect(library.presenceOf('second')).toBe('installed');
  });

  it.skipIf(process.platform === 'win32')('and a whole folder that is closed are told apart', async () => {
    await rm(modelsDir(), { recursive: true });
    await symlink(modelsDir(), modelsDir());
    expect(library.unreadable()).toEqual([{ path: modelsDir(), code: 'ELOOP' }]);
    expect(library.installed()).toEqual([]);
    await expect(library.remove('first')).rejects.toMatchObject({ code: 'invalid_config' });
  });
});
