/** Word errors of one or many comparisons. */
export interface WordErrors {
  readonly referenceWords: number;
  readonly substitutions: number;
  readonly deletions: number;
  readonly insertions: number;
}

export const NO_ERRORS: WordErrors = { referenceWords: 0, substitutions: 0, deletions: 0, insertions: 0 };

/** Fewest substitutions, deletions and insertions that turn the reference into the hypothesis (Levenshtein over words). */
export function countWordErrors(reference: readonly string[], hypothesis: readonly string[]): WordErrors {
  const width = hypothesis.length + 1;
  const cost = new Uint32Array((reference.length + 1) * width);
  const at = (row: number, column: number): number => cost[row * width + column] ?? 0;
  for (let row = 0; row <= reference.length; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const same = row > 0 && column > 0 && reference[row - 1] === hypothesis[column - 1];
      cost[row * width + column] =
        row === 0 || column === 0
          ? row + column
          : Math.min(
              at(row - 1, column - 1) + (same ? 0 : 1),
              at(row - 1, column) + 1,
              at(row, column - 1) + 1,
            );
    }
  }
  return { referenceWords: reference.length, ...traceBack(reference, hypothesis, at) };
}

function traceBack(
  reference: readonly string[],
  hypothesis: readonly string[],
  at: (row: number, column: number) => number,
): Omit<WordErrors, 'referenceWords'> {
  let [row, column] = [reference.length, hypothesis.length];
  let [substitutions, deletions, insertions] = [0, 0, 0];
  while (row > 0 || column > 0) {
    const same = row > 0 && column > 0 && reference[row - 1] === hypothesis[column - 1];
    if (row > 0 && column > 0 && at(row, column) === at(row - 1, column - 1) + (same ? 0 : 1)) {
      substitutions += same ? 0 : 1;
      row -= 1;
      column -= 1;
    } else if (row > 0 && at(row, column) === at(row - 1, column) + 1) {
      deletions += 1;
      row -= 1;
    } else {
      insertions += 1;
      column -= 1;
    }
  }
  return { substitutions, deletions, insertions };
}

export function addErrors(left: WordErrors, right: WordErrors): WordErrors {
  return {
    referenceWords: left.referenceWords + right.referenceWords,
    substitutions: left.substitutions + right.substitutions,
    deletions: left.deletions + right.deletions,
    insertions: left.insertions + right.insertions,
  };
}

export function errorCount(errors: WordErrors): number {
  return errors.substitutions + errors.deletions + errors.insertions;
}

/** Errors over reference words, 0..; NaN without reference words. */
export function wordErrorRate(errors: WordErrors): number {
  return errorCount(errors) / errors.referenceWords;
}

/** One clip scored for two systems. */
export interface PairedClip {
  readonly referenceWords: number;
  readonly firstErrors: number;
  readonly secondErrors: number;
}

export interface PairedDifference {
  /** WER of the second minus WER of the first; below 0 the second is better. */
  readonly difference: number;
  /** 95 % interval of the difference. */
  readonly low: number;
  readonly high: number;
  /** Two-sided: how often the resampled difference falls on the other side of 0. */
  readonly p: number;
}

/**
 * Paired bootstrap over clips (Bisani and Ney 2004): clips are drawn with replacement, both systems are scored on the same draw.
 * The seed is fixed, so the same results always give the same figures.
 */
export function pairedBootstrap(
  clips: readonly PairedClip[],
  options: { rounds?: number; seed?: number } = {},
): PairedDifference {
  const { rounds = 10_000, seed = 1 } = options;
  const random = createRandom(seed);
  const differences = new Float64Array(rounds);
  for (let round = 0; round < rounds; round += 1) {
    let words = 0;
    let errors = 0;
    for (let draw = 0; draw < clips.length; draw += 1) {
      const clip = clips[Math.floor(random() * clips.length)];
      if (clip === undefined) continue;
      words += clip.referenceWords;
      errors += clip.secondErrors - clip.firstErrors;
    }
    differences[round] = words === 0 ? 0 : errors / words;
  }
  differences.sort();
  const share = (test: (value: number) => boolean): number => differences.filter(test).length / rounds;
  const words = clips.reduce((sum, clip) => sum + clip.referenceWords, 0);
  const errors = clips.reduce((sum, clip) => sum + clip.secondErrors - clip.firstErrors, 0);
  return {
    difference: words === 0 ? 0 : errors / words,
    low: differences[Math.floor(rounds * 0.025)] ?? 0,
    high: differences[Math.ceil(rounds * 0.975) - 1] ?? 0,
    p: Math.min(
      1,
      2 *
        Math.min(
          share((value) => value <= 0),
          share((value) => value >= 0),
        ),
    ),
  };
}

/** mulberry32: 32 bits of state are plenty to draw clips. Values in [0, 1). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
