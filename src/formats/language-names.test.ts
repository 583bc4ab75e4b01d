import { describe, expect, it } from 'vitest';
import { LANGUAGE_NAMES, languageCode, languageName } from './language-names.ts';

describe('languageName', () => {
  it('gives lower-case English names for the 100 codes of Whisper', () => {
    expect(Object.keys(LANGUAGE_NAMES)).toHaveLength(100);
    expect(languageName('de')).toBe('german');
    expect(languageName('yue')).toBe('cantonese');
    for (const name of Object.values(LANGUAGE_NAMES)) expect(name).toMatch(/^[a-z ]+$/);
  });

  it('lets an unknown code stand for itself', () => {
    expect(languageName('xx')).toBe('xx');
  });
});

describe('languageCode', () => {
  it('takes codes and tags in any case', () => {
    expect(['en', 'EN', 'en-US', 'zh_Hans_CN', ' de ', 'nb-NO', 'fil'].map(languageCode)).toEqual([
      'en',
      'en',
      'en',
      'zh',
      'de',
      'no',
      'tl',
    ]);
  });

  it('takes no names and no unknown codes', () => {
    expect(['english', 'xx', '', 'toString', '__proto__'].map(languageCode)).toEqual(
      Array(5).fill(undefined),
    );
  });
});
