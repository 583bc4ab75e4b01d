/** Names that a person may have meant, the likeliest first; at most five. */
export function nearestNames(wanted: string, names: readonly string[]): string[] {
  const text = wanted.toLowerCase();
  return names
    .map((name) => ({ name, far: farness(text, name.toLowerCase()) }))
    .filter(({ far }) => far <= 0.5)
    .sort((left, right) => left.far - right.far || left.name.localeCompare(right.name))
    .slice(0, 5)
    .map(({ name }) => name);
}

/** 0: the same; 1: nothing in common. Wrong letters count by their share of the longer name, missing ends by half of theirs. */
function farness(left: string, right: string): number {
  if (left === right) return 0;
  const [shorter, longer] = left.length < right.length ? [left, right] : [right, left];
  const isPart = shorter.length >= 3 && longer.includes(shorter);
  return isPart ? (1 - shorter.length / longer.length) / 2 : editDistance(left, right) / longer.length;
}

/** Levenshtein's, with one row kept. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...left].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...right].entries())
      next.push(
        Math.min(
          (next[column] ?? 0) + 1,
          (row[column + 1] ?? 0) + 1,
          (row[column] ?? 0) + (letter === other ? 0 : 1),
        ),
      );
    row = next;
  }
  return row.at(-1) ?? 0;
}
