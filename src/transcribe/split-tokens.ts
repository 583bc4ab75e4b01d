/** Consecutive pieces of a text, in order; what lies between two of them is white space. */
export interface TextPiece {
  readonly text: string;
}

/**
 * Which tokens belong to which piece of `text`: for each piece the first token and the one behind its last. `ends` is where each token
 * ends in `text`. A token goes where its first visible character stands, so a space before a word goes with the word; tokens behind
 * the last character belong to the last piece. Every token is in exactly one piece.
 */
export function splitTokens(
  text: string,
  ends: readonly number[],
  pieces: readonly TextPiece[],
): { from: number; to: number }[] {
  const lasts = pieceEnds(text, pieces);
  let token = 0;
  return lasts.map((pieceEnd, index) => {
    const from = token;
    if (index === lasts.length - 1) token = ends.length;
    while (token < ends.length && firstVisible(text, ends[token - 1] ?? 0) < pieceEnd) token += 1;
    return { from, to: token };
  });
}

/** Where each piece ends in the text it was cut from. */
function pieceEnds(text: string, pieces: readonly TextPiece[]): number[] {
  let end = 0;
  return pieces.map((piece) => {
    const start = text.indexOf(piece.text, end);
    if (start < 0) throw new Error(`"${piece.text}" is no piece of "${text}" behind character ${end}`);
    end = start + piece.text.length;
    return end;
  });
}

function firstVisible(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at] ?? '')) at += 1;
  return at;
}
