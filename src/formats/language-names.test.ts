import { describe, expect, it } from 'vitest';
import { findLanguage, LANGUAGE_NAMES, languageCode, languageName } from './language-names.ts';

describe('languageName', () => {
  it('gives lower-case English names for the 100 codes of Whisper', () => {
    expect(Object.keys(LANGUAGE_NAMES)).toHaveLength(100);
    expect(languageName('de')).toBe('german');
    expect(languageName('yue')).toBe('cantonese');
    for (const name of Object.values(LANGUAGE_NAMES)) expect(name).toMatch(/^[a-z ]+$/);
  });

  it('lets an unknown code stand for itself, and says unknown for what nobody could tell', () => {
    expect(languageName('xx')).toBe('xx');
    expect(languageName('und')).toBe('unknown');
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

describe('findLanguage', () => {
  it('finds a language under another spelling, and answers in that of the list', () => {
    expect(findLanguage(['en', 'jv', 'no'], 'jw')).toBe('jv');
    expect(findLanguage(['en', 'jw'], 'jv')).toBe('jw');
    expect(findLanguage(['en', 'no'], 'nb-NO')).toBe('no');
    expect(findLanguage(['haw', 'yue', 'zh'], 'yue')).toBe('yue');
    expect(findLanguage(['en'], 'de')).toBeUndefined();
    expect(findLanguage(['en'], 'xx')).toBeUndefined();
  });
});
