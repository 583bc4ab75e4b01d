import { openInProcess } from '../accuracy/in-process.ts';
import { joinRecordings } from './joined-recordings.ts';
import { type EdgeError, measureWords, type WordErrors } from './measure.ts';

/**
 * How far word times lie from the truth, over recordings joined from others at known places:
 *
 *   npx tsx bench/words/run.ts
 */
await main();

async function main(): Promise<void> {
  const pipeline = await openInProcess({});
  const byKind = new Map<string, WordErrors[]>();
  for (const recording of await joinRecordings()) {
    const errors = await measureWords(recording, pipeline);
    byKind.set(recording.kind, [...(byKind.get(recording.kind) ?? []), errors]);
  }
  await pipeline.close();
  console.log(
    '| recordings | recognised of known edges | | median ms | 90 % | 95 % | mean signed | broken |',
  );
  console.log('|---|---|---|---|---|---|---|---|');
  const all = [...byKind.values()].flat();
  for (const [kind, errors] of [...byKind, ['**all**', all] as const])
    printRows(`${errors.length} ${kind}`, errors, () => true);
  printRows('of these beside a gap of 0 to 50 ms', all, ({ gapSecond }) => gapSecond <= 0.05);
  printRows('of these beside a longer gap', all, ({ gapSecond }) => gapSecond > 0.05);
}

function printRows(name: string, errors: readonly WordErrors[], counts: (edge: EdgeError) => boolean): void {
  const known = errors.reduce((sum, error) => sum + error.known, 0);
  const broken = errors.reduce((sum, error) => sum + error.broken, 0);
  for (const edge of ['starts', 'ends'] as const) {
    const seconds = errors
      .flatMap((error) => error[edge])
      .filter(counts)
      .map(({ second }) => second);
    const quantiles = [0.5, 0.9, 0.95].map((share) => milliseconds(quantile(seconds, share)));
    const cells = [
      name,
      `${seconds.length} of ${known / 2}`,
      edge,
      ...quantiles,
      milliseconds(mean(seconds)),
      broken,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

/** Of the absolute values. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.map(Math.abs).sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function milliseconds(second: number): string {
  return (1000 * second).toFixed(0);
}
