import { describe, expect, it } from 'vitest';
import { ConfigError, ModelNotFoundError, ModelNotInstalledError } from '../errors.ts';
import { CATALOG, type ModelEntry } from './catalog.ts';
import { createModelRegistry } from './registry.ts';

const models = CATALOG.models.filter(({ id }) => ['moonshine-tiny', 'whisper-base'].includes(id));

function registryWith(installed: Set<string>, aliases: Record<string, string> = {}) {
  return createModelRegistry({ models, aliases, isInstalled: (id) => installed.has(id) });
}

describe('createModelRegistry', () => {
  it('lists installed models only, ids before aliases, and knows the others', () => {
    const registry = registryWith(new Set(['moonshine-tiny']));
    expect(registry.list().map(({ name }) => name)).toEqual(['moonshine-tiny', 'whisper-1']);
    expect(registry.listKnown().map(({ name }) => name)).toEqual([
      'moonshine-tiny',
      'whisper-base',
      'whisper-1',
      'openai/whisper-base',
    ]);
    expect(registry.known('openai/whisper-base')?.id).toBe('whisper-base');
    expect(registry.known('gpt-9')).toBeUndefined();
  });

  it('sees a download and a removal at once', () => {
    const installed = new Set(['moonshine-tiny']);
    const registry = registryWith(installed);
    installed.add('whisper-base');
    expect(registry.resolve('openai/whisper-base').id).toBe('whisper-base');
    installed.delete('whisper-base');
    expect(() => registry.resolve('whisper-base')).toThrow(ModelNotInstalledError);
  });

  it('says the command for a model that is not here, by its id', () => {
    const registry = registryWith(new Set(['moonshine-tiny']));
    expect(() => registry.resolve('openai/whisper-base')).toThrow(
      /'openai\/whisper-base'.*steno models pull whisper-base$/,
    );
    expect(() => registry.resolve('gpt-9')).toThrow(ModelNotFoundError);
    expect(() => registry.resolve('gpt-9')).toThrow('Available models: moonshine-tiny, whisper-1.');
  });

  it('lets configured aliases win, also those of models that are not here yet', () => {
    const installed = new Set(['moonshine-tiny']);
    const registry = registryWith(installed, { 'whisper-1': 'whisper-base', mine: 'moonshine-tiny' });
    expect(registry.resolve('mine').id).toBe('moonshine-tiny');
    expect(() => registry.resolve('whisper-1')).toThrow(ModelNotInstalledError);
    installed.add('whisper-base');
    expect(registry.resolve('whisper-1').id).toBe('whisper-base');
  });

  it('refuses an alias that leads nowhere, unless the name is served elsewhere', () => {
    expect(() => registryWith(new Set(), { a: 'nope' })).toThrow(ConfigError);
    const elsewhere = createModelRegistry({
      models,
      aliases: { a: 'hosted' },
      servedElsewhere: ['hosted'],
    });
    expect(elsewhere.known('a')).toBeUndefined();
    expect(() => elsewhere.resolve('nope')).toThrow(/Available models: .*hosted/);
  });

  it('finds lasting names without asking for others, and others that come later', () => {
    let asked = 0;
    const [first, ...others] = models;
    if (first === undefined) throw new Error('no models');
    const all = [first];
    const registry = createModelRegistry({
      lasting: [first],
      models: () => {
        asked += 1;
        return all;
      },
      aliases: { mine: 'own' },
      servedElsewhere: ['own'],
    });
    asked = 0;
    for (const name of [first.id, ...first.aliases]) expect(registry.resolve(name)).toBe(first);
    expect(asked).toBe(0);
    expect(registry.known('mine')).toBeUndefined();
    const own = { ...(others[0] ?? first), id: 'own', aliases: [] };
    all.push(own);
    expect(registry.resolve('own')).toBe(own);
    expect(registry.resolve('mine')).toBe(own);
  });

  it('follows a list that grows', () => {
    const all: ModelEntry[] = [];
    const registry = createModelRegistry({ models: () => all });
    expect(registry.list()).toEqual([]);
    all.push(...models);
    expect(registry.resolve('whisper-1').id).toBe('moonshine-tiny');
  });
});
