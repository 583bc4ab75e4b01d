import sharedTokenizer, { LlamaTokenizer } from 'llama-tokenizer-js';

/** First token of every sequence. */
export const START_TOKEN = 1;
/** The model's word that nothing more was said. */
export const END_TOKEN = 2;
/** The vocabulary spells characters that it has no piece for with 256 tokens from here up, one a byte. */
const FIRST_BYTE_TOKEN = 3;
/** Ids from here up are Moonshine's special tokens; below are the 32,000 Llama pieces. */
const FIRST_SPECIAL_TOKEN = 32_000;
/** SentencePiece's mark for a space inside a piece. */
const SPACE_MARK = '\u2581';

const pieces = takePieces();
let encoder: LlamaTokenizer | undefined;

/** UTF-8 of all pieces, one after the other; piece i is `bytes` from `starts[i]` to `starts[i + 1]`. */
interface Pieces {
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array;
}

/**
 * The pieces in one block. The package makes its tables as it is loaded, 6 MB of small objects that V8 marks in every collection; a
 * process that only listens needs none of them, so they are let go and made again for the first text to encode.
 */
function takePieces(): Pieces {
  const texts = sharedTokenizer.vocabById.map((piece) => piece.replaceAll(SPACE_MARK, ' '));
  const bytes = Buffer.from(texts.join(''), 'utf8');
  const starts = new Uint32Array(texts.length + 1);
  for (const [token, text] of texts.entries())
    starts[token + 1] = (starts[token] ?? 0) + Buffer.byteLength(text, 'utf8');
  sharedTokenizer.vocabById.length = 0;
  sharedTokenizer.vocabByString.clear();
  sharedTokenizer.merges.clear();
  return { bytes, starts };
}

export function isTextToken(token: number): boolean {
  return token > END_TOKEN && token < FIRST_SPECIAL_TOKEN;
}

/** UTF-8 bytes of a token, its leading space included; none for special tokens. */
export function tokenBytes(token: number): number[] {
  if (!isTextToken(token)) return [];
  const byte = byteOf(token);
  if (byte !== undefined) return [byte];
  return [...pieces.bytes.subarray(pieces.starts[token], pieces.starts[token + 1])];
}

/** Text as tokens the way the model writes it: with a leading space where a word begins, without one inside a word. The first call takes 0.1 s. */
export function encodeText(text: string, leading: 'space' | 'none'): number[] {
  encoder ??= new LlamaTokenizer();
  return encoder.encode(text, false, leading === 'space');
}

/** Whether a token is more than the rest of a character that is spelled in bytes: those after the first begin with 10 (RFC 3629, section 3). */
export function beginsCharacter(token: number): boolean {
  const byte = byteOf(token);
  return byte === undefined || byte < 0x80 || byte >= 0xc0;
}

/** The byte that a token stands for; undefined for pieces of text. */
function byteOf(token: number): number | undefined {
  return token >= FIRST_BYTE_TOKEN && token < FIRST_BYTE_TOKEN + 256 ? token - FIRST_BYTE_TOKEN : undefined;
}

export interface TokenText {
  /** Trimmed. */
  readonly text: string;
  /** Where each token ends in {@link text}, in UTF-16 units; a character of several tokens ends with the last of them. */
  readonly ends: readonly number[];
}

/** Text of token ids and how far each of them reaches; special tokens give nothing, nor does a character cut off at the end. */
export function decodeTokens(tokens: readonly number[]): TokenText {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let raw = '';
  const rawEnds = tokens.map((token) => {
    raw += decoder.decode(Uint8Array.from(tokenBytes(token)), { stream: true });
    return raw.length;
  });
  const text = raw.trim();
  const trimmed = raw.length - raw.trimStart().length;
  const ends = rawEnds.map((end) => Math.min(text.length, Math.max(0, end - trimmed)));
  return { text, ends };
}
