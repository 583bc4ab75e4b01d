import { describe, expect, it } from 'vitest';
import { LANGUAGE_NAMES } from '../formats/language-names.ts';
import file from './catalog.json' with { type: 'json' };
import { BUNDLED_MODELS, bytesOf, CATALOG, parseCatalog } from './catalog.ts';

type Json = Record<string, unknown>;

/** The catalogue's text with one model changed. */
function withModel(id: string, change: (model: Json) => void): unknown {
  const copy = structuredClone(file) as unknown as { models: Json[] };
  const model = copy.models.find((entry) => entry.id === id);
  if (model === undefined) throw new Error(`no ${id} in the catalogue`);
  change(model);
  return copy;
}

/** The same with its first file changed. */
function withFile(id: string, change: Json): unknown {
  return withModel(id, (model) => {
    const files = model.files as Json[];
    model.files = [{ ...files[0], ...change }, ...files.slice(1)];
  });
}

describe('the catalogue', () => {
  const ids = CATALOG.models.map(({ id }) => id);

  it('has the embedded model, Moonshine in other languages, Whisper from tiny to turbo and Parakeet', () => {
    expect(BUNDLED_MODELS.map(({ id }) => id)).toEqual(['moonshine-tiny']);
    expect(ids).toEqual(
      expect.arrayContaining([
        'moonshine-base',
        'moonshine-tiny-ja',
        'whisper-tiny',
        'whisper-base.en-q5_1',
        'whisper-small-q8_0',
        'whisper-medium',
        'whisper-large-v3',
        'whisper-large-v3-turbo',
        'whisper-large-v3-turbo-q5_0',
        'parakeet-tdt-0.6b-v3',
      ]),
    );
  });

  it.each(CATALOG.models.map((model) => [model.id, model] as const))('%s is complete', (id, model) => {
    expect(bytesOf(model)).toBeGreaterThan(10_000_000);
    expect(model.memoryBytes).toBeGreaterThan(bytesOf(model));
    expect(model.created).toBeGreaterThan(Date.UTC(2022, 0) / 1000);
    expect(model.licence === 'MIT' || model.licence === 'CC-BY-4.0' || model.restriction !== undefined).toBe(
      true,
    );
    if (!model.bundled) expect(model.source?.revision).toMatch(/^[0-9a-f]{40}$/);
    if (model.engine === 'moonshine')
      expect(model.files.map(({ name }) => name)).toEqual([
        'encoder_model.onnx',
        'decoder_model_merged.onnx',
      ]);
    else {
      expect(model.files.map(({ name }) => name)).toEqual([expect.stringMatching(/^ggml-.*\.bin$/)]);
      expect(model.architecture).toBe(id.startsWith('parakeet') ? 'parakeet' : 'whisper');
    }
  });

  it('names the languages as the publishers do', () => {
    const languages = (id: string) => CATALOG.models.find((model) => model.id === id)?.languages ?? [];
    expect(languages('whisper-base')).toHaveLength(99);
    expect(languages('whisper-large-v2')).not.toContain('yue');
    expect(languages('whisper-large-v3')).toEqual(Object.keys(LANGUAGE_NAMES));
    expect(languages('whisper-large-v3-turbo-q5_0')).toContain('yue');
    expect(languages('whisper-medium.en')).toEqual(['en']);
    expect(languages('parakeet-tdt-0.6b-v3')).toHaveLength(25);
  });

  it('promises translation only where the publisher does', () => {
    const translating = CATALOG.models.filter(({ abilities }) => abilities.translate);
    expect(translating.every(({ id, languages }) => id.startsWith('whisper-') && languages.length > 1)).toBe(
      true,
    );
    expect(translating.some(({ id }) => id.includes('turbo'))).toBe(false);
    expect(translating.map(({ id }) => id)).toContain('whisper-large-v3');
  });
});

describe('parseCatalog', () => {
  it('takes what it is shipped with', () => {
    expect(parseCatalog(file).models).toHaveLength(CATALOG.models.length);
  });

  it.each([
    ['an id twice', withModel('whisper-base', (model) => (model.id = 'whisper-tiny')), 'is taken'],
    [
      'an alias that is an id',
      withModel('whisper-base', (model) => (model.aliases = ['whisper-tiny'])),
      'is taken',
    ],
    [
      'names that differ in case only',
      withModel('whisper-base', (model) => (model.id = 'Whisper-Tiny')),
      'is taken',
    ],
    [
      'an unknown language',
      withModel('whisper-base', (model) => (model.languages = ['en', 'xx'])),
      'xx is no code',
    ],
    [
      'an unknown set',
      withModel('whisper-base', (model) => (model.languages = 'klingon')),
      'klingon is no code',
    ],
    ['a language twice', withModel('whisper-base', (model) => (model.languages = ['en', 'en'])), 'twice'],
    ['an unknown key', withModel('whisper-base', (model) => (model.license = 'MIT')), 'license'],
    ['no source', withModel('whisper-base', (model) => delete model.source), 'source'],
    ['a name that climbs', withFile('whisper-base', { name: '../ggml-base.bin' }), 'name'],
    ['a name with a slash', withFile('whisper-base', { name: 'a/b.bin' }), 'name'],
    ['a hidden name', withFile('whisper-base', { name: '.ssh' }), 'name'],
    ['a path that climbs', withFile('moonshine-base', { path: 'onnx/../../x.onnx' }), 'path'],
    ['an absolute path', withFile('moonshine-base', { path: '/etc/passwd' }), 'path'],
    ['an id that climbs', withModel('whisper-base', (model) => (model.id = '../x')), 'id'],
    ['a hash of the wrong length', withFile('whisper-tiny', { sha256: 'abc' }), 'sha256'],
    ['an embedded file without its hash', withFile('moonshine-tiny', { sha256: undefined }), 'sha256'],
    ['an embedded file without its size', withFile('moonshine-tiny', { sizeBytes: undefined }), 'sizeBytes'],
    [
      'a file without any size',
      withFile('whisper-base', { approximateBytes: undefined }),
      'neither an exact',
    ],
    ['two files of one name', withFile('moonshine-base', { name: 'DECODER_model_merged.onnx' }), 'one name'],
    [
      'neither a hash nor a commit',
      withModel('parakeet-tdt-0.6b-v3', (model) => {
        model.source = { ...(model.source as Json), revision: 'main' };
      }),
      'no hash and its repository no commit',
    ],
    [
      'a branch as the revision',
      withModel('whisper-base', (model) => {
        model.source = { ...(model.source as Json), revision: 'some-branch' };
      }),
      'revision',
    ],
  ])('refuses %s', (_what, value, message) => {
    expect(() => parseCatalog(value)).toThrow(message);
  });

  it('takes a file that only the hub knows the hash of, when the commit is named', () => {
    expect(() => parseCatalog(withFile('parakeet-tdt-0.6b-v3', { sha256: undefined }))).not.toThrow();
  });
});
