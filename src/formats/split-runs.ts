/**
 * Cuts `count` items into consecutive runs so that the sum of `cost(start, end)` over the runs `[start, end)` is least. A run of
 * infinite cost is not used, and makes all longer runs from its start unusable too. Gives the ends of the runs in order, the last of
 * them `count`; undefined when no cut is possible.
 */
export function splitRuns(
  count: number,
  cost: (start: number, end: number) => number,
): readonly number[] | undefined {
  // best[i] is the least cost of items from i on; computed from the back, so that runs can stop growing at the first infinite cost.
  const best = new Float64Array(count + 1).fill(Number.POSITIVE_INFINITY);
  const nextEnd = new Int32Array(count + 1);
  best[count] = 0;
  for (let start = count - 1; start >= 0; start -= 1)
    for (let end = start + 1; end <= count; end += 1) {
      const own = cost(start, end);
      if (own === Number.POSITIVE_INFINITY) break;
      const total = own + (best[end] ?? 0);
      if (total >= (best[start] ?? 0)) continue;
      best[start] = total;
      nextEnd[start] = end;
    }
  if (best[0] === Number.POSITIVE_INFINITY) return undefined;
  const ends: number[] = [];
  for (let position = 0; position < count; ) {
    position = nextEnd[position] ?? count;
    ends.push(position);
  }
  return ends;
}
