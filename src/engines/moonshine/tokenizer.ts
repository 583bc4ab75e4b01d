import llamaTokenizer from 'llama-tokenizer-js';

/** First token of every sequence. */
export const START_TOKEN = 1;
/** The model's word that nothing more was said. */
export const END_TOKEN = 2;
/** Ids from here up are Moonshine's special tokens; below are the 32,000 Llama pieces. */
const FIRST_SPECIAL_TOKEN = 32_000;

export function isTextToken(token: number): boolean {
  return token > END_TOKEN && token < FIRST_SPECIAL_TOKEN;
}

/** Text of token ids; special tokens are dropped. */
export function decodeTokens(tokens: readonly number[]): string {
  return llamaTokenizer.decode(tokens.filter(isTextToken), false, true);
}
