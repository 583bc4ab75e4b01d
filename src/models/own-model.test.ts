import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ggmlBytes, hubModel } from '../../test/support/model-entries.ts';
import type { ImportRequest } from './import.ts';
import { createModelLibrary, type ModelLibrary } from './library.ts';

let folder: string;
let library: ModelLibrary;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-own-'));
  const files = { 'ggml.bin': ggmlBytes(1000) };
  const models = [
    hubModel(undefined, { id: 'w', files }),
    hubModel(undefined, { id: 'p', files, change: { architecture: 'parakeet' } }),
  ];
  library = createModelLibrary({
    models,
    bundledDir: join(folder, 'bundled'),
    modelsDir: join(folder, 'models'),
  });
  await writeFile(join(folder, 'whisper.bin'), ggmlBytes(1000));
  const other = ggmlBytes(1000);
  // Where a Whisper has its mel bands, a Parakeet has channels.
  other.writeUInt32LE(256, 40);
  await writeFile(join(folder, 'parakeet.bin'), other);
});
afterEach(async () => {
  await library.close();
  await rm(folder, { recursive: true });
});

const importing = (file: string, request: Partial<ImportRequest> = {}) =>
  library.importModel({ path: join(folder, file), engine: 'whisper-cpp', ...request });

describe('an import', () => {
  it('refuses a Whisper for a Parakeet and the other way round', async () => {
    await expect(importing('whisper.bin', { as: 'mine', architecture: 'parakeet' })).rejects.toThrow(
      /is a Whisper model: leave --architecture parakeet out/,
    );
    await expect(importing('whisper.bin', { as: 'p' })).rejects.toThrow(/is a Whisper model/);
    await expect(importing('parakeet.bin', { as: 'w' })).rejects.toThrow(/no header of a Whisper model/);
    expect(library.idsOnDisk()).toEqual([]);
    expect((await importing('parakeet.bin', { as: 'p' })).entry.id).toBe('p');
    expect((await importing('whisper.bin', { as: 'w' })).entry.id).toBe('w');
  });

  it('refuses names that could not be asked for, or are another one on some disks', async () => {
    await expect(importing('whisper.bin', { as: 'pull' })).rejects.toThrow(/path of the server/);
    await importing('whisper.bin', { as: 'mine' });
    await expect(importing('whisper.bin', { as: 'Mine' })).rejects.toThrow(/too much like 'mine'/);
    // The same name is a new version.
    await importing('whisper.bin', { as: 'mine' });
  });

  it('refuses an empty path, and titles and licences that a terminal would obey', async () => {
    await expect(library.importModel({ path: '', as: 'mine', engine: 'whisper-cpp' })).rejects.toThrow(
      /empty/,
    );
    for (const text of ['', 'a\nb', '\x1b[31mred', 'x'.repeat(201), 'a\u202eb'])
      for (const field of ['title', 'licence'])
        await expect(importing('whisper.bin', { as: 'mine', [field]: text })).rejects.toThrow(
          /1 to 200 characters/,
        );
    expect((await importing('whisper.bin', { as: 'mine', title: 'Größe 7 (中文)' })).entry.title).toBe(
      'Größe 7 (中文)',
    );
  });
});
