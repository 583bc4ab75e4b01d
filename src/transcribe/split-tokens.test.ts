import { describe, expect, it } from 'vitest';
import { splitTokens } from './split-tokens.ts';

/** Ends of tokens given as texts. */
function endsOf(...tokens: readonly string[]): { text: string; ends: number[] } {
  const raw = tokens.join('');
  const text = raw.trim();
  const trimmed = raw.length - raw.trimStart().length;
  let end = -trimmed;
  const ends = tokens.map((token) => {
    end += token.length;
    return Math.min(text.length, Math.max(0, end));
  });
  return { text, ends };
}

describe('splitTokens', () => {
  it('puts every token with the characters it stands for', () => {
    const { text, ends } = endsOf(' A', ' very', ' long', ' sentence', '.', ' No', '.', ' Yes', '!');
    expect(
      splitTokens(text, ends, [{ text: 'A very long sentence.' }, { text: 'No.' }, { text: 'Yes!' }]),
    ).toEqual([
      { from: 0, to: 5 },
      { from: 5, to: 7 },
      { from: 7, to: 9 },
    ]);
  });

  it('gives a space of its own to the word behind it and what trails to the last piece', () => {
    const { text, ends } = endsOf(' One', '.', ' ', 'Two', '.', ' ');
    expect(splitTokens(text, ends, [{ text: 'One.' }, { text: 'Two.' }])).toEqual([
      { from: 0, to: 2 },
      { from: 2, to: 6 },
    ]);
  });

  it('keeps the bytes of one character together', () => {
    // " Hi" and then three byte tokens of which the last completes the character.
    expect(splitTokens('Hi. 漢', [2, 3, 4, 4, 4, 5], [{ text: 'Hi.' }, { text: '漢' }])).toEqual([
      { from: 0, to: 2 },
      { from: 2, to: 6 },
    ]);
  });

  it('finds equal pieces one after the other', () => {
    const { text, ends } = endsOf(' No', '.', ' No', '.');
    expect(splitTokens(text, ends, [{ text: 'No.' }, { text: 'No.' }])).toEqual([
      { from: 0, to: 2 },
      { from: 2, to: 4 },
    ]);
  });
});
