import type { SampleSpan } from './engine.ts';

const SAMPLE_RATE = 16_000;
/** Levels are taken over steps of 10 ms. */
const STEP_SAMPLES = SAMPLE_RATE / 100;
/** A pause is at least so many steps long: shorter ones are stops inside words (p, t, k). */
const SHORTEST_STEPS = 4;
/** dB. Quiet lies near the sound's floor or far below its loud parts, and always so much below them. */
const ABOVE_FLOOR = 6;
const BELOW_LOUD = { most: 30, least: 20 };
/** dB of full scale below which nothing was recorded: silence that was put in says nothing of the recording's floor. */
const NOTHING = -70;

/** A quiet stretch in seconds from the first sample. */
export interface Pause {
  readonly startSecond: number;
  readonly endSecond: number;
}

/**
 * Quiet stretches of 40 ms or more, and any at the very start and end, by level alone: finer than a voice detector's frames, and
 * right only around speech. Noise as loud as the speech has no pauses.
 */
export function findPauses(samples: Float32Array): Pause[] {
  const levels = stepLevels(samples);
  const sorted = levels.filter((level) => level > NOTHING).sort();
  const loud = sorted[Math.floor(0.95 * (sorted.length - 1))] ?? 0;
  const floor = sorted[Math.floor(0.1 * (sorted.length - 1))] ?? 0;
  const threshold = Math.min(Math.max(floor + ABOVE_FLOOR, loud - BELOW_LOUD.most), loud - BELOW_LOUD.least);
  const pauses: Pause[] = [];
  for (let start = 0; start < levels.length; start += 1) {
    let end = start;
    while (end < levels.length && (levels[end] ?? 0) < threshold) end += 1;
    const atEdge = start === 0 || end === levels.length;
    if (end > start && (atEdge || end - start >= SHORTEST_STEPS))
      pauses.push({ startSecond: start / 100, endSecond: end / 100 });
    start = end;
  }
  return pauses;
}

/** Seconds by which the voice detector may be late when speech begins and early when it ends in a soft sound. By bench/words. */
const LATE_SECOND = 0.08;
const EARLY_SECOND = 0.06;

/** What lies between and around spans of speech in a sound of so many samples, as much as is surely none of it. */
export function pausesBetween(speech: readonly SampleSpan[], lengthSamples: number): Pause[] {
  const ends = [0, ...speech.map((span) => span.endSample / SAMPLE_RATE + EARLY_SECOND)];
  const starts = [
    ...speech.map((span) => span.startSample / SAMPLE_RATE - LATE_SECOND),
    lengthSamples / SAMPLE_RATE,
  ];
  return ends
    .map((startSecond, index) => ({ startSecond, endSecond: starts[index] ?? startSecond }))
    .filter(({ startSecond, endSecond }) => endSecond > startSecond);
}

/** Pauses of several sources in order, those that touch made one. */
export function joinPauses(pauses: readonly Pause[]): Pause[] {
  const joined: Pause[] = [];
  for (const pause of [...pauses].sort((a, b) => a.startSecond - b.startSecond)) {
    const last = joined.at(-1);
    if (last === undefined || pause.startSecond > last.endSecond) joined.push(pause);
    else
      joined[joined.length - 1] = {
        startSecond: last.startSecond,
        endSecond: Math.max(last.endSecond, pause.endSecond),
      };
  }
  return joined;
}

/** dB of each step; a rest shorter than a step is left out. */
function stepLevels(samples: Float32Array): Float32Array {
  const levels = new Float32Array(Math.floor(samples.length / STEP_SAMPLES));
  return levels.map((_, step) => {
    let power = 0;
    for (let index = step * STEP_SAMPLES; index < (step + 1) * STEP_SAMPLES; index += 1)
      power += (samples[index] ?? 0) ** 2;
    return 10 * Math.log10(power / STEP_SAMPLES + 1e-8);
  });
}
