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

  it('follows a list that grows', () => {
    const all: ModelEntry[] = [];
    const registry = createModelRegistry({ models: () => all });
    expect(registry.list()).toEqual([]);
    all.push(...models);
    expect(registry.resolve('whisper-1').id).toBe('moonshine-tiny');
  });
});
