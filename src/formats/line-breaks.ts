import { splitRuns } from './split-runs.ts';

/** A piece of text as lines are made of it. */
export interface LinePiece {
  readonly text: string;
  /** Characters in it. */
  readonly length: number;
  /** What stands before it when it is not the first on its line: a space, or nothing inside a word. */
  readonly separator: '' | ' ';
}

const SENTENCE_END = /[.!?…。！？]["'”’)\]]*$/u;
const CLAUSE_END = /[,;:–—、，；：]["'”’)\]]*$/u;
/** English words that begin a clause or a phrase, and words that lean on what follows them. Other languages cut by length. */
const CLAUSE_START =
  /^(?:and|but|or|nor|so|yet|because|although|though|while|when|where|which|who|whom|whose|that|if|unless|until|since|before|after)$/i;
const PHRASE_START =
  /^(?:as|than|with|without|for|from|into|of|to|in|on|at|by|about|over|under|between|through|during)$/i;
const LEANS_ON_NEXT =
  /^(?:the|a|an|this|these|those|my|your|his|her|its|our|their|and|but|or|of|to|in|on|at|by|for|from|with|as|than|that|which|who|if|when|because|mr\.?|mrs\.?|ms\.?|dr\.?)$/i;

/** How bad it is to cut between two words: 0 after a sentence, most inside a word. */
export function breakCost(before: string, next: LinePiece): number {
  if (next.separator === '') return 60;
  if (LEANS_ON_NEXT.test(before)) return 45;
  if (SENTENCE_END.test(before)) return 0;
  if (CLAUSE_END.test(before)) return 4;
  if (CLAUSE_START.test(next.text)) return 12;
  return PHRASE_START.test(next.text) ? 20 : 30;
}

/** Pieces as one line. */
export function joinPieces(pieces: readonly LinePiece[]): string {
  return pieces.map(({ text, separator }, index) => (index === 0 ? text : separator + text)).join('');
}

/** Characters of pieces on one line. */
export function lineLength(pieces: readonly LinePiece[]): number {
  return pieces.reduce(
    (sum, { length, separator }, index) => sum + length + (index === 0 ? 0 : separator.length),
    0,
  );
}

/** The fewest lines of at most `width` characters that hold the pieces, each filled from the left. */
export function linesNeeded(pieces: readonly LinePiece[], width: number): number {
  let lines = pieces.length === 0 ? 0 : 1;
  let used = 0;
  for (const { length, separator } of pieces) {
    const added = used === 0 ? length : separator.length + length;
    if (used + added <= width) used += added;
    else {
      lines += 1;
      used = length;
    }
  }
  return lines;
}

/** The fewest lines, of even length, cut between phrases where that is possible. No piece may be longer than `width`. */
export function breakLines(pieces: readonly LinePiece[], width: number): string[] {
  const count = linesNeeded(pieces, width);
  if (count <= 1) return [joinPieces(pieces)];
  const even = lineLength(pieces) / count;
  const ends = splitRuns(pieces.length, (start, end) => {
    const length = lineLength(pieces.slice(start, end));
    if (length > width) return Number.POSITIVE_INFINITY;
    const [last, next] = [pieces[end - 1], pieces[end]];
    // A further line must never pay: its price is above what all breaks and lengths can add up to.
    return 1e9 + (length - even) ** 2 / 8 + (last && next ? breakCost(last.text, next) : 0);
  });
  return (ends ?? []).map((end, index) => joinPieces(pieces.slice(ends?.[index - 1] ?? 0, end)));
}
