import type { Chunk } from '../engine.ts';

/**
 * Whisper keeps the last 223 tokens of a prompt, some 900 characters of English and fewer of anything else; whisper.cpp cuts it into
 * tokens with a regular expression that needs stack for each character.
 */
const LONGEST_PROMPT = 1200;
/** Keywords take so many characters at most, and a prompt beside them so many: about a hundred tokens of Latin text each. */
const LONGEST_KEYWORDS = 400;
const LONGEST_BESIDE_KEYWORDS = 400;

/**
 * The text Whisper is to continue from. It has no other way to be told of names: keywords stand as a list in front of the prompt,
 * which is then cut to its end so that Whisper, which reads the end, sees them.
 */
export function promptOf({ prompt = '', bias = [] }: Pick<Chunk, 'prompt' | 'bias'>): string | undefined {
  const text = prompt.replaceAll('\0', '').trim();
  const keywords = bias.filter(({ source }) => source === 'keyword').map((phrase) => phrase.text);
  if (keywords.length === 0) return text === '' ? undefined : text.slice(-LONGEST_PROMPT);
  let list = '';
  for (const keyword of keywords) {
    const next = list === '' ? keyword : `${list}, ${keyword}`;
    if (next.length > LONGEST_KEYWORDS) break;
    list = next;
  }
  return text === '' ? `${list}.` : `${list}. ${text.slice(-LONGEST_BESIDE_KEYWORDS)}`;
}
