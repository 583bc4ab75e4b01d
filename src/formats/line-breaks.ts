import { splitRuns } from './split-runs.ts';

/** A piece of text as lines are made of it. */
export interface LinePiece {
  readonly text: string;
  /** Room it takes: full-width characters take 2. */
  readonly width: number;
  /** What stands before it when it is not the first on its line: a space, or nothing in text without spaces and inside a word. */
  readonly separator: '' | ' ';
  /** Whether it goes on with the word before it. */
  readonly isWordPart: boolean;
}

const SENTENCE_END = /[.!?…。！？｡؟۔।॥]["'”’)\]」』）】》〉]*$/u;
const CLAUSE_END = /[,;:–—、，；：､،؛]["'”’)\]」』）】》〉]*$/u;
/** Japanese endings and particles, and Chinese ones: they belong to what stands before them. */
const LEANS_ON_PREVIOUS = /^(?:[\p{sc=Hiragana}ー]{1,4}|[的了吗呢吧着过们嗎過們])[\p{Po}\p{Pe}\p{Pf}]*$/u;
/** English words that begin a clause or a phrase, and words that lean on what follows them. Other languages cut by length. */
const CLAUSE_START =
  /^(?:and|but|or|nor|so|yet|because|although|though|while|when|where|which|who|whom|whose|that|if|unless|until|since|before|after)$/i;
const PHRASE_START =
  /^(?:as|than|with|without|for|from|into|of|to|in|on|at|by|about|over|under|between|through|during)$/i;
const LEANS_ON_NEXT =
  /^(?:the|a|an|this|these|those|my|your|his|her|its|our|their|and|but|or|of|to|in|on|at|by|for|from|with|as|than|that|which|who|if|when|because|mr\.?|mrs\.?|ms\.?|dr\.?)$/i;

/** How bad it is to cut between two words: 0 after a sentence, most inside a word. */
export function breakCost(before: string, next: LinePiece): number {
  if (next.isWordPart) return 60;
  if (LEANS_ON_NEXT.test(before)) return 45;
  if (SENTENCE_END.test(before)) return 0;
  if (CLAUSE_END.test(before)) return 4;
  if (next.separator === '' && LEANS_ON_PREVIOUS.test(next.text)) return 45;
  if (CLAUSE_START.test(next.text)) return 12;
  return PHRASE_START.test(next.text) ? 20 : 30;
}

/** Pieces as one line. */
export function joinPieces(pieces: readonly LinePiece[]): string {
  return pieces.map(({ text, separator }, index) => (index === 0 ? text : separator + text)).join('');
}

/** Width of pieces on one line. */
export function lineWidth(pieces: readonly LinePiece[]): number {
  return pieces.reduce(
    (sum, { width, separator }, index) => sum + width + (index === 0 ? 0 : separator.length),
    0,
  );
}

/** The fewest lines of at most `maximum` width that hold the pieces, each filled from the left. */
export function linesNeeded(pieces: readonly LinePiece[], maximum: number): number {
  let lines = pieces.length === 0 ? 0 : 1;
  let used = 0;
  for (const { width, separator } of pieces) {
    const added = used === 0 ? width : separator.length + width;
    if (used + added <= maximum) used += added;
    else {
      lines += 1;
      used = width;
    }
  }
  return lines;
}

/** The fewest lines, of even width, cut between phrases where that is possible. No piece may be wider than `maximum`. */
export function breakLines(pieces: readonly LinePiece[], maximum: number): string[] {
  const count = linesNeeded(pieces, maximum);
  if (count <= 1) return [joinPieces(pieces)];
  const even = lineWidth(pieces) / count;
  const ends = splitRuns(pieces.length, (start, end) => {
    const width = lineWidth(pieces.slice(start, end));
    if (width > maximum) return Number.POSITIVE_INFINITY;
    const [last, next] = [pieces[end - 1], pieces[end]];
    // A further line must never pay: its price is above what all breaks and widths can add up to.
    return 1e9 + (width - even) ** 2 / 8 + (last && next ? breakCost(last.text, next) : 0);
  });
  return (ends ?? []).map((end, index) => joinPieces(pieces.slice(ends?.[index - 1] ?? 0, end)));
}
