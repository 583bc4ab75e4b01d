import { describe, expect, it } from 'vitest';
import { CATALOG } from './catalog.ts';
import { createModelListing, type ModelListingOptions } from './listing.ts';
import { createModelRegistry } from './registry.ts';

const abilities = {
  translate: true,
  words: true,
  logprobs: false,
  prompt: true,
  keywords: true,
  detectsLanguage: true,
};

function listingWith(options: Partial<ModelListingOptions> & { installed?: readonly string[] } = {}) {
  const installed = options.installed ?? ['moonshine-tiny'];
  const registry = createModelRegistry({
    models: CATALOG.models,
    isInstalled: (id) => installed.includes(id),
  });
  return createModelListing({
    registry,
    capabilitiesOf: () => abilities,
    loadState: () => ({ state: 'ready' }),
    ...options,
  });
}

describe('createModelListing', () => {
  it('keeps usable and downloadable names apart', () => {
    const listing = listingWith({ installed: ['moonshine-tiny', 'whisper-base'] });
    const usable = listing.usable().map(({ name }) => name);
    const downloadable = listing.downloadable().map(({ name }) => name);
    expect(usable).toEqual(['moonshine-tiny', 'whisper-base', 'whisper-1', 'openai/whisper-base']);
    expect(downloadable).toContain('whisper-large-v3');
    expect(downloadable).toContain('openai/whisper-large-v3');
    expect(downloadable.filter((name) => usable.includes(name))).toEqual([]);
    expect(listing.downloadable().every(({ state }) => state === 'downloadable')).toBe(true);
  });

  it('tells the state of what is here, of what comes, and why a load failed', () => {
    const states = {
      'moonshine-tiny': { state: 'loaded' },
      'whisper-base': { state: 'failed', reason: 'truncated' },
    } as const;
    const listing = listingWith({
      installed: Object.keys(states),
      loadState: (id) => states[id as keyof typeof states],
      isDownloading: (id) => id === 'whisper-small',
    });
    expect(listing.find('whisper-1')).toMatchObject({ state: 'loaded', model: { id: 'moonshine-tiny' } });
    expect(listing.find('whisper-base')).toMatchObject({ state: 'failed', reason: 'truncated' });
    expect(listing.find('whisper-small')).toMatchObject({ state: 'downloading' });
    expect(listing.find('whisper-medium')).toMatchObject({ state: 'downloadable' });
    expect(listing.find('gpt-9')).toBeUndefined();
  });

  it('prefers the bytes on the disk to the rounded ones', () => {
    expect(listingWith({ installedBytes: () => 12_345 }).find('moonshine-tiny')?.sizeBytes).toBe(12_345);
    expect(listingWith().find('moonshine-tiny')?.sizeBytes).toBe(7_937_661 + 20_243_286);
  });

  it('says what the engine can do in the words of the API', () => {
    expect(listingWith().find('moonshine-tiny')?.abilities).toEqual([
      'transcribe',
      'streaming',
      'translate',
      'words',
      'prompt',
      'keywords',
      'language_detection',
    ]);
  });

  it('lets a route win over a local name and shows what it tries', () => {
    const listing = listingWith({
      routes: () => [
        { name: 'whisper-1', created: 1, ownedBy: 'acme', targets: ['acme/whisper-1'] },
        {
          name: 'both',
          created: 2,
          ownedBy: 'me',
          targets: ['moonshine-tiny', 'acme/w'],
          firstLocal: 'moonshine-tiny',
        },
        {
          name: 'absent',
          created: 3,
          ownedBy: 'me',
          targets: ['whisper-base', 'acme/w'],
          firstLocal: 'whisper-base',
        },
      ],
    });
    expect(listing.usable().map(({ name }) => name)).toEqual([
      'moonshine-tiny',
      'whisper-1',
      'both',
      'absent',
    ]);
    expect(listing.find('whisper-1')).toEqual({
      name: 'whisper-1',
      created: 1,
      ownedBy: 'acme',
      state: 'upstream',
      targets: ['acme/whisper-1'],
    });
    expect(listing.find('both')).toMatchObject({ state: 'ready', targets: ['moonshine-tiny', 'acme/w'] });
    expect(listing.find('absent')).toMatchObject({ state: 'upstream' });
  });

  it('does not call a route usable whose one target is not here', () => {
    const listing = listingWith({
      routes: () => [
        { name: 'only', created: 1, ownedBy: 'me', targets: ['whisper-base'], firstLocal: 'whisper-base' },
      ],
    });
    expect(listing.usable().map(({ name }) => name)).not.toContain('only');
    expect(listing.find('only')).toMatchObject({
      name: 'only',
      state: 'downloadable',
      model: { id: 'whisper-base' },
    });
  });
});
