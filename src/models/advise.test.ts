import { describe, expect, it } from 'vitest';
import { adviseModels } from './advise.ts';
import { CATALOG } from './catalog.ts';
import { createModelRegistry } from './registry.ts';

const registryWith = (...installed: string[]) =>
  createModelRegistry({ models: CATALOG.models, isInstalled: (id) => installed.includes(id) });

describe('adviseModels', () => {
  it('names installed models first, each once', () => {
    const registry = registryWith('moonshine-tiny', 'whisper-tiny', 'whisper-small-q5_1');
    expect(adviseModels(({ languages }) => languages.includes('de'), registry)).toBe(
      'installed here: whisper-small-q5_1, whisper-tiny',
    );
  });

  it('says how to get one when none is here', () => {
    const registry = registryWith('moonshine-tiny');
    expect(adviseModels(({ languages }) => languages.includes('de'), registry)).toBe(
      '"steno models pull whisper-large-v3-turbo-q5_0" gets one (smaller: whisper-small-q5_1)',
    );
    expect(adviseModels(({ abilities }) => abilities.translate, registry)).toBe(
      '"steno models pull whisper-medium-q5_0" gets one (smaller: whisper-small-q5_1)',
    );
  });

  it('recommends only models of the catalogue, and none with a restricted licence where another can', () => {
    for (const code of ['ja', 'uk', 'yue', 'haw']) {
      const advice = adviseModels(({ languages }) => languages.includes(code), registryWith()) ?? '';
      expect(advice).not.toContain('moonshine');
      const id = /pull ([\w.-]+)/.exec(advice)?.[1];
      expect(CATALOG.models.find((model) => model.id === id)?.languages).toContain(code);
    }
  });

  it('says nothing when no model can', () => {
    expect(adviseModels(({ languages }) => languages.includes('xx'), registryWith())).toBeUndefined();
  });
});
