import { describe, expect, it } from 'vitest';
import { capabilitiesOf } from '../engines/capabilities.ts';
import { CATALOG } from '../models/catalog.ts';
import { createModelRegistry } from '../models/registry.ts';
import { planTranscription } from './plan-transcription.ts';
import { planTranslation } from './plan-translation.ts';

const INSTALLED = ['moonshine-tiny', 'whisper-small', 'whisper-large-v3-turbo', 'parakeet-tdt-0.6b-v3'];
const models = createModelRegistry({ models: CATALOG.models, isInstalled: (id) => INSTALLED.includes(id) });
const context = {
  defaultModel: 'whisper-1',
  models,
  transcriber: { abilities: (name: string) => capabilitiesOf(models.resolve(name)) },
};

type Fields = Readonly<Record<string, string | readonly string[]>>;

const form = (fields: Fields) =>
  Object.entries(fields).flatMap(([name, values]) => [values].flat().map((value) => ({ name, value })));
const plan = (fields: Fields) => planTranscription(form(fields), context);

describe('languages of a model that detects', () => {
  const model = 'whisper-small';

  it('are left to it, told it, or offered to it', () => {
    expect(plan({ model }).options).toMatchObject({ language: undefined, languages: undefined });
    expect(plan({ model, language: 'pt-BR' }).options.language).toBe('pt');
    expect(plan({ model, language: 'jv' }).options.language).toBe('jw');
    const offered = plan({ model, 'languages[]': ['de', 'en', 'de'] });
    expect(offered.options).toMatchObject({ language: undefined, languages: ['de', 'en'] });
    expect(offered.warnings).toEqual([]);
  });

  it('are one where the model knows only one of those offered', () => {
    const { options, warnings } = plan({ model, 'languages[]': ['yue', 'zh'] });
    expect(options).toMatchObject({ language: 'zh', languages: undefined });
    expect(warnings.join(' ')).toContain('does not know yue');
  });

  it('are refused when it knows none, naming models that do', () => {
    expect(() => plan({ model, language: 'yue' })).toThrow(
      /knows 99 languages, not 'yue'.*whisper-large-v3-turbo/,
    );
    expect(() => plan({ model, 'languages[]': ['yue'] })).toThrow(/whisper-large-v3-turbo/);
    expect(() => plan({ language: 'de' })).toThrow(
      /'whisper-1' transcribes en only, not 'de'.*installed here: whisper-small/,
    );
  });
});

describe('languages of a model that chooses by itself', () => {
  it('are not narrowed, and that is said', () => {
    const { options, warnings } = plan({ model: 'parakeet-tdt-0.6b-v3', 'languages[]': ['de', 'fr'] });
    expect(options).toMatchObject({ language: undefined, languages: undefined });
    expect(warnings.join(' ')).toContain('chooses among all its languages');
  });
});

describe('what a model cannot', () => {
  it('is refused where it would change the shape of the answer', () => {
    const words = { response_format: 'verbose_json', 'timestamp_granularities[]': 'word' };
    expect(plan({ model: 'whisper-small', ...words }).options.words).toBe(true);
    expect(() => plan({ model: 'parakeet-tdt-0.6b-v3', ...words })).toThrow('has no word times');
    expect(() => plan({ model: 'whisper-small', 'include[]': 'logprobs' })).toThrow('no log probabilities');
  });

  it('is not asked for by subtitles, which can do without', () => {
    expect(plan({ model: 'parakeet-tdt-0.6b-v3', response_format: 'srt' }).options.words).toBe(false);
  });
});

describe('a translation', () => {
  it('is planned for a model that can, and refused for others with the name of one', () => {
    expect(planTranslation(form({ model: 'whisper-small' }), context).options).toMatchObject({
      task: 'translate',
      model: 'whisper-small',
    });
    for (const model of ['whisper-1', 'whisper-large-v3-turbo'])
      expect(() => planTranslation(form({ model }), context)).toThrow(
        /cannot translate\. Use a model that can \(installed here: whisper-small\)/,
      );
  });

  it('says how to get one when none is here', () => {
    const bare = createModelRegistry({
      models: CATALOG.models,
      isInstalled: (id) => id === 'moonshine-tiny',
    });
    expect(() =>
      planTranslation(form({}), {
        ...context,
        models: bare,
        transcriber: { abilities: (name) => capabilitiesOf(bare.resolve(name)) },
      }),
    ).toThrow('"steno models pull whisper-medium-q5_0" gets one (smaller: whisper-small-q5_1)');
  });
});
