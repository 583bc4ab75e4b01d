import llamaTokenizer from 'llama-tokenizer-js';

/** First token of every sequence. */
export const START_TOKEN = 1;
/** The model's word that nothing more was said. */
export const END_TOKEN = 2;
/** Ids from here up are Moonshine's special tokens; below are the 32,000 Llama pieces. */
const FIRST_SPECIAL_TOKEN = 32_000;
/** SentencePiece's mark for a space inside a piece. */
const SPACE_MARK = '\u2581';

export function isTextToken(token: number): boolean {
  return token > END_TOKEN && token < FIRST_SPECIAL_TOKEN;
}

/** UTF-8 bytes of a token, its leading space included; none for special tokens. `<0xNN>` is one byte. */
export function tokenBytes(token: number): number[] {
  if (!isTextToken(token)) return [];
  const piece = llamaTokenizer.vocabById[token] ?? '';
  const byte = /^<0x([0-9A-F]{2})>$/.exec(piece)?.[1];
  return byte === undefined
    ? [...Buffer.from(piece.replaceAll(SPACE_MARK, ' '), 'utf8')]
    : [Number.parseInt(byte, 16)];
}

/** Text as tokens the way the model writes it: with a leading space where a word begins, without one inside a word. */
export function encodeText(text: string, leading: 'space' | 'none'): number[] {
  return llamaTokenizer.encode(text, false, leading === 'space');
}

export interface TokenText {
  /** Trimmed. */
  readonly text: string;
  /** Where each token ends in {@link text}, in UTF-16 units; a character of several tokens ends with the last of them. */
  readonly ends: readonly number[];
}

/** Text of token ids and how far each of them reaches; special tokens give nothing. */
export function decodeTokens(tokens: readonly number[]): TokenText {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let raw = '';
  const rawEnds = tokens.map((token) => {
    raw += decoder.decode(Uint8Array.from(tokenBytes(token)), { stream: true });
    return raw.length;
  });
  raw += decoder.decode();
  const text = raw.trim();
  const trimmed = raw.length - raw.trimStart().length;
  const ends = rawEnds.map((end) => Math.min(text.length, Math.max(0, end - trimmed)));
  return { text, ends };
}
