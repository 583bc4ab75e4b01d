import { deflateSync } from 'node:zlib';

/** Above this the text repeats itself: Whisper's `compression_ratio_threshold` (whisper/transcribe.py). */
export const REPEATING_RATIO = 2.4;
/** So many equal turns in a row, and so many tokens in them, make a loop: people say "no, no, no" and "five five five". */
const LOOP_TURNS = 4;
const LOOP_TOKENS = 12;

/** UTF-8 bytes over their zlib length, as Whisper's `compression_ratio`; 0 for no text. */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length === 0 ? 0 : bytes.length / deflateSync(bytes).length;
}

export interface Loop {
  /** Index of the loop's first token. */
  readonly start: number;
  /** Tokens of one turn. */
  readonly period: number;
  /** Index behind the last token that still repeats. */
  readonly end: number;
}

/** The first stretch of tokens that says one thing again and again; undefined when there is none. */
export function findLoop(tokens: readonly number[]): Loop | undefined {
  for (let start = 0; start + LOOP_TOKENS <= tokens.length; start += 1) {
    for (let period = 1; start + period * LOOP_TURNS <= tokens.length; period += 1) {
      let end = start + period;
      while (end < tokens.length && tokens[end] === tokens[end - period]) end += 1;
      const length = end - start;
      if (length >= period * LOOP_TURNS && length >= LOOP_TOKENS) return { start, period, end };
    }
  }
  return undefined;
}

/** Whether a text says the same again and again: a loop of tokens, or a text that packs too well. */
export function repeatsItself(text: string, tokens: readonly number[]): boolean {
  return findLoop(tokens) !== undefined || compressionRatio(text) > REPEATING_RATIO;
}

/** Keeps one turn of each loop, and a single token of the next: often the full stop that ended each. Answers which tokens stay. */
export function withoutLoops(tokens: readonly number[]): number[] {
  const kept = [...tokens.keys()];
  while (true) {
    const loop = findLoop(kept.map((index) => tokens[index] ?? 0));
    if (loop === undefined) return kept;
    const begun = (loop.end - loop.start) % loop.period === 1 ? 1 : 0;
    const from = loop.start + loop.period;
    kept.splice(from, loop.end - begun - from);
  }
}
