import { splitWords, wordStarts } from '../../util/words.ts';
import { repeatsItself, withoutLoops } from '../repetition.ts';
import { decodeTokens } from './tokenizer.ts';

/** Whether a text says the same again and again. */
export function saysAgain(text: string, tokens: readonly number[]): boolean {
  return repeatsItself(text, unitsOf(tokens).ids);
}

/** Which tokens stay when of each loop one turn is kept. */
export function withoutSayingAgain(tokens: readonly number[]): number[] {
  const { ids, units } = unitsOf(tokens);
  const kept = new Set(withoutLoops(ids));
  return [...tokens.keys()].filter((token) => kept.has(units[token] ?? 0));
}

interface Units {
  /** A number for each unit; equal units have equal ones. */
  readonly ids: readonly number[];
  /** The unit of each token. */
  readonly units: readonly number[];
}

/** From so many letters outside the English alphabet on, a text is one that the vocabulary spells. */
const SPELLED_SHARE = 0.1;

/**
 * What loops are counted in. The vocabulary was made for English, where a token is nearly a word. It spells other languages in
 * letters or bytes, so that four times "no" or "thank you" would be a loop: there words are counted.
 */
function unitsOf(tokens: readonly number[]): Units {
  const { text, ends } = decodeTokens(tokens);
  if (!isSpelled(text)) return { ids: tokens, units: [...tokens.keys()] };
  const starts = wordStarts(text);
  const numbers = new Map<string, number>();
  const ids = splitWords(text).map((word) => {
    const number = numbers.get(word) ?? numbers.size;
    numbers.set(word, number);
    return number;
  });
  let unit = 0;
  const units = ends.map((end, token) => {
    // A token without text of its own is the beginning of the next character.
    const before = ends[token - 1] ?? 0;
    const place = end > before ? end - 1 : before;
    while ((starts[unit + 1] ?? Number.POSITIVE_INFINITY) <= place) unit += 1;
    return unit;
  });
  return { ids, units };
}

function isSpelled(text: string): boolean {
  const letters = text.match(/\p{L}/gu) ?? [];
  const foreign = letters.filter((letter) => !/[a-z]/i.test(letter));
  return foreign.length > letters.length * SPELLED_SHARE;
}
