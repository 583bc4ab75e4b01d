/** Letters of scripts that put no spaces between words. Korean does. */
export const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
const OPENING = /^[\p{Ps}\p{Pi}]+$/u;

// Its dictionaries do not depend on the locale; one is named so that results do not depend on the machine's.
const SEGMENTER = new Intl.Segmenter('en', { granularity: 'word' });

/**
 * The words of a text, in order, punctuation with its word: pieces between white space, and of text without spaces (Chinese, Japanese,
 * Thai, Lao, Khmer, Burmese) the words a dictionary finds. Joined they are the text less its white space.
 */
export function splitWords(text: string): string[] {
  return text
    .split(/\s+/)
    .filter((piece) => piece !== '')
    .flatMap((piece) => (UNSPACED.test(piece) ? splitUnspaced(piece) : [piece]));
}

/** Where each of {@link splitWords} begins in the text. */
export function wordStarts(text: string): number[] {
  let end = 0;
  return splitWords(text).map((word) => {
    const start = text.indexOf(word, end);
    end = start + word.length;
    return start;
  });
}

/** Punctuation stays with the word before it; what opens goes with the word behind it. */
function splitUnspaced(piece: string): string[] {
  const words: string[] = [];
  let pending = '';
  for (const { segment, isWordLike } of SEGMENTER.segment(piece)) {
    if (isWordLike === true) {
      words.push(pending + segment);
      pending = '';
    } else if (words.length === 0 || pending !== '' || OPENING.test(segment)) pending += segment;
    else words[words.length - 1] += segment;
  }
  if (pending === '') return words;
  const last = words.pop() ?? '';
  return [...words, last + pending];
}
