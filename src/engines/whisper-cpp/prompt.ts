import type { Chunk, PromptRoom } from '../engine.ts';
import { keywordList, keywordsThatFit } from '../keyword-list.ts';

/**
 * Whisper keeps the last 223 tokens of a prompt, some 900 characters of English and fewer of anything else; whisper.cpp cuts it into
 * tokens with a regular expression that needs stack for each character. Keywords and a prompt beside them get about a hundred tokens of
 * Latin text each.
 */
export const PROMPT_ROOM: PromptRoom = { prompt: 1200, promptBesideKeywords: 400, keywords: 400 };

/**
 * The text Whisper is to continue from. It has no other way to be told of names: keywords stand as a list in front of the prompt,
 * which is then cut to its end so that Whisper, which reads the end, sees them.
 */
export function promptOf({ prompt = '', bias = [] }: Pick<Chunk, 'prompt' | 'bias'>): string | undefined {
  const text = prompt.replaceAll('\0', '').trim();
  const named = bias.filter(({ source }) => source === 'keyword').map((phrase) => phrase.text);
  if (named.length === 0) return text === '' ? undefined : text.slice(-PROMPT_ROOM.prompt);
  const list = keywordList(keywordsThatFit(named, PROMPT_ROOM.keywords));
  return text === '' ? `${list}.` : `${list}. ${text.slice(-PROMPT_ROOM.promptBesideKeywords)}`;
}
