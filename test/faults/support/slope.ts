/** How steeply values rise, y by x. */
export interface Slope {
  /** The best guess. */
  readonly middle: number;
  /** It is at least that steep, with 95 % confidence on both sides together; -Infinity when there are too few points to tell. */
  readonly atLeast: number;
}

/**
 * The median of the slopes between all pairs of points, and the lower end of its confidence interval by the spread of Kendall's tau
 * (P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968). Neither a peak nor a dip moves it much.
 */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): Slope {
  const slopes = points
    .flatMap(([x, y], index) => points.slice(index + 1).map(([later, high]) => (high - y) / (later - x)))
    .sort((left, right) => left - right);
  const count = points.length;
  const spread = 1.96 * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  return {
    middle: slopes[Math.floor(slopes.length / 2)] ?? Number.NaN,
    atLeast: slopes[Math.floor((slopes.length - spread) / 2) - 1] ?? Number.NEGATIVE_INFINITY,
  };
}
