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
