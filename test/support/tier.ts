/** `npm run test:nightly` runs the same tests with larger numbers, and some that are too long for every change. */
export const isNightly = process.env.TEST_TIER === 'nightly';

export function byTier<Value>(tiers: { readonly fast: Value; readonly nightly: Value }): Value {
  return isNightly ? tiers.nightly : tiers.fast;
}
