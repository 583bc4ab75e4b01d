import { decodeToSamples } from '../accuracy/decode-samples.ts';
import { type Clip, readEnglishClips } from '../accuracy/manifest.ts';

export interface SpeedClip extends Clip {
  readonly samples: Float32Array;
}

/** `count` English clips of 2 to 15 s, spread evenly over the sets. */
export async function speedClips(count: number): Promise<SpeedClip[]> {
  const eligible = readEnglishClips().filter(
    ({ durationSecond }) => durationSecond >= 2 && durationSecond <= 15,
  );
  const step = eligible.length / count;
  const chosen = Array.from(
    { length: Math.min(count, eligible.length) },
    (_, index) => eligible[Math.floor(index * step)],
  );
  const clips: SpeedClip[] = [];
  for (const clip of chosen)
    if (clip !== undefined) clips.push({ ...clip, samples: await decodeToSamples(clip.path) });
  return clips;
}

export function totalSeconds(clips: readonly SpeedClip[]): number {
  return clips.reduce((sum, clip) => sum + clip.samples.length / 16_000, 0);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
