import { describe, expect, it } from 'vitest';
import { findBiasPhrases, termsOf } from './bias-phrases.ts';

describe('findBiasPhrases', () => {
  it('takes keywords as they are, each once', () => {
    const { phrases, warnings } = findBiasPhrases({
      keywords: [' Zarathustra ', 'Zarathustra', 'Bunker  Hill', ''],
    });
    expect(phrases).toEqual([
      { text: 'Zarathustra', source: 'keyword' },
      { text: 'Bunker Hill', source: 'keyword' },
    ]);
    expect(warnings).toEqual([]);
  });

  it('says which keywords it cannot use', () => {
    const { phrases, warnings } = findBiasPhrases({ keywords: ['!!!', 'x'.repeat(200)] });
    expect(phrases).toEqual([]);
    expect(warnings).toHaveLength(2);
  });

  it('finds nothing in nothing', () => {
    expect(findBiasPhrases({})).toEqual({ phrases: [], warnings: [] });
    expect(findBiasPhrases({ prompt: '' })).toEqual({ phrases: [], warnings: [] });
  });

  it('stops at a thousand terms and says so', () => {
    const keywords = Array.from({ length: 1200 }, (_, index) => `Term${index}`);
    const { phrases, warnings } = findBiasPhrases({ keywords });
    expect(phrases).toHaveLength(1000);
    expect(warnings.join()).toContain('1000');
  });
});

describe('keywords for a model that reads so many characters', () => {
  it('are the first ones that fit in a list, and the others are named', () => {
    const keywords = ['Lübeck', 'Käthe', 'Lübeck', 'Zarathustra', 'Ob'];
    const { phrases, warnings } = findBiasPhrases({ keywords, keywordCharacters: 14 });
    // "Lübeck, Käthe" has 13 characters; what stands behind one that is left out is left out too.
    expect(phrases.map(({ text }) => text)).toEqual(['Lübeck', 'Käthe']);
    expect(warnings).toEqual([
      'Of 4 keywords only the first 2 were used: the model reads 14 characters of them. Left out: "Zarathustra", "Ob".',
    ]);
    expect(findBiasPhrases({ keywords, keywordCharacters: 30 }).warnings).toEqual([]);
  });

  it('are not all named where they are very many', () => {
    const keywords = Array.from({ length: 200 }, (_, index) => `Term${index}`);
    const { phrases, warnings } = findBiasPhrases({ keywords, keywordCharacters: 400 });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`"Term${phrases.length}"`);
    expect(warnings[0]).toMatch(new RegExp(`and ${200 - phrases.length - 10} more\\.$`));
  });
});

describe('termsOf', () => {
  it('finds names in running text, whole and word by word', () => {
    const terms = termsOf('The talk is about Margaret Hale and her father. It was held in Milton by GPT-4o.');
    expect(terms).toEqual(expect.arrayContaining(['Margaret Hale', 'Margaret', 'Hale', 'Milton', 'GPT-4o']));
    expect(terms).not.toContain('The');
    expect(terms).not.toContain('It');
  });

  it('takes the items of a list, whatever their case', () => {
    expect(termsOf('Glossary: apomorphine, zyntriQix, and kubernetes operator.')).toEqual(
      expect.arrayContaining(['apomorphine', 'zyntriQix', 'kubernetes operator']),
    );
  });

  it('does not take clauses for list items', () => {
    const terms = termsOf(
      'So we went there, and after a long and rather tiring walk we sat down, as they do.',
    );
    expect(terms.every((term) => !term.includes(' '))).toBe(true);
  });
});
