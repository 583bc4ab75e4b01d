import { samplesToSeconds } from '../audio/audio.ts';
import type { Coverage } from '../transcript.ts';

/** What became of a stretch of the recording. */
export type Fate = 'transcribed' | 'failed' | 'silence';

/** From `startSample` up to, not including, `endSample`. */
export interface CoveredSpan {
  readonly fate: Fate;
  readonly startSample: number;
  readonly endSample: number;
}

interface Stretch {
  readonly startSample: number;
  readonly endSample: number;
}

/**
 * Accounts for every sample of a recording: spans in order, the first starting at 0 and the last ending at `totalSamples`, each
 * where the one before ends. What the voice detector handed to the engine is transcribed or failed, all else is silence. A sample
 * that was in both is failed: a loss must never look like a success. Stretches may come in any order and reach beyond the end.
 */
export function accountFor(
  totalSamples: number,
  chunks: { readonly transcribed: readonly Stretch[]; readonly failed: readonly Stretch[] },
): CoveredSpan[] {
  const edges = new Set([0, totalSamples]);
  for (const { startSample, endSample } of [...chunks.transcribed, ...chunks.failed])
    for (const edge of [startSample, endSample]) if (edge > 0 && edge < totalSamples) edges.add(edge);
  const sorted = [...edges].sort((a, b) => a - b);
  const spans: CoveredSpan[] = [];
  for (const [index, startSample] of sorted.slice(0, -1).entries()) {
    const endSample = sorted[index + 1] ?? totalSamples;
    const fate = fateOf(startSample, chunks);
    const previous = spans.at(-1);
    if (previous?.fate === fate) spans[spans.length - 1] = { ...previous, endSample };
    else spans.push({ fate, startSample, endSample });
  }
  return spans;
}

function fateOf(
  sample: number,
  { transcribed, failed }: { readonly transcribed: readonly Stretch[]; readonly failed: readonly Stretch[] },
): Fate {
  const holds = ({ startSample, endSample }: Stretch) => startSample <= sample && sample < endSample;
  if (failed.some(holds)) return 'failed';
  return transcribed.some(holds) ? 'transcribed' : 'silence';
}

/** Seconds of each fate, and where the failed ones lie. */
export function summarizeCoverage(spans: readonly CoveredSpan[]): Coverage {
  const seconds = (fate: Fate) =>
    samplesToSeconds(
      spans
        .filter((span) => span.fate === fate)
        .reduce((sum, span) => sum + span.endSample - span.startSample, 0),
    );
  return {
    transcribedSecond: seconds('transcribed'),
    silenceSecond: seconds('silence'),
    failedSecond: seconds('failed'),
    failed: spans
      .filter(({ fate }) => fate === 'failed')
      .map(({ startSample, endSample }) => ({
        startSecond: samplesToSeconds(startSample),
        endSecond: samplesToSeconds(endSample),
      })),
  };
}

/** A loss in words for the caller, one sentence a stretch. */
export function coverageWarnings({ failed }: Coverage): string[] {
  return failed.map(
    ({ startSecond, endSecond }) =>
      `The sound from ${startSecond.toFixed(2)} s to ${endSecond.toFixed(2)} s could not be transcribed: the speech engine failed on it.`,
  );
}
