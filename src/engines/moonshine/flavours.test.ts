import { describe, expect, it } from 'vitest';
import { descriptionOf, mostTokensPerSecond } from './flavours.ts';

describe('mostTokensPerSecond', () => {
  it('allows languages whose characters take several tokens more of them', () => {
    expect(mostTokensPerSecond(['en'])).toBe(9);
    expect(mostTokensPerSecond(['uk'])).toBe(12);
    for (const language of ['ar', 'ja', 'ko', 'vi', 'zh']) expect(mostTokensPerSecond([language])).toBe(19.5);
    expect(mostTokensPerSecond(['en', 'ja'])).toBe(19.5);
  });
});

describe('descriptionOf', () => {
  it('uses the measured heads for English alone, and none where the model has no word times', () => {
    const traits = (language: string, words: boolean) => ({
      engine: 'moonshine',
      languages: [language],
      abilities: { translate: false, words, prompt: true },
    });
    expect(descriptionOf(traits('en', true)).alignment).toHaveProperty('heads');
    expect(descriptionOf(traits('ja', true)).alignment).toBe('upper half');
    expect(descriptionOf(traits('ja', false)).alignment).toBe('none');
  });
});
