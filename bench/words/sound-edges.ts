const SAMPLE_RATE = 16_000;
const STEP = SAMPLE_RATE / 200;
const SECOND = SAMPLE_RATE / STEP;
/** A sound shorter than this, so far from the rest, is a click of the microphone. */
const CLICK = { length: 0.08 * SECOND, distance: 0.1 * SECOND };

/**
 * Where the speech in a clean recording of one utterance begins and ends: the first and last 5 ms that lie 30 dB below its loudest 5 %
 * or higher, and at least 8 dB above its quietest 5 %; clicks before and after it left out.
 */
export function findSoundEdges(samples: Float32Array): { startSample: number; endSample: number } {
  const sounds = withoutClicks(soundRuns(levelsOf(samples)));
  const [first, last] = [sounds[0], sounds.at(-1)];
  return first === undefined || last === undefined
    ? { startSample: 0, endSample: samples.length }
    : { startSample: first.start * STEP, endSample: Math.min(samples.length, last.end * STEP) };
}

/** Whether the recording's background is so quiet that its level says where speech is: 45 dB between its loud and quiet 5 %. */
export function isQuietlyRecorded(samples: Float32Array): boolean {
  const sorted = levelsOf(samples).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return at(0.95) - at(0.05) >= 45;
}

interface Run {
  readonly start: number;
  readonly end: number;
}

function soundRuns(levels: readonly number[]): Run[] {
  const sorted = [...levels].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  const threshold = Math.max(at(0.95) - 30, at(0.05) + 8);
  const runs: Run[] = [];
  for (let start = 0; start < levels.length; start += 1) {
    let end = start;
    while (end < levels.length && (levels[end] ?? 0) >= threshold) end += 1;
    if (end > start) runs.push({ start, end });
    start = end;
  }
  return runs;
}

function withoutClicks(runs: readonly Run[]): Run[] {
  const kept = [...runs];
  const isClick = (run: Run, neighbour: Run): boolean =>
    run.end - run.start < CLICK.length &&
    Math.max(run.start - neighbour.end, neighbour.start - run.end) >= CLICK.distance;
  // Several in a row, too: what lies between two clicks is shorter than the way to the speech.
  for (let clicks = true; clicks && kept.length > 1; ) {
    const head = kept.findIndex((run, index) => kept[index + 1] && isClick(run, kept[index + 1] as Run));
    clicks = head >= 0 && (kept[head]?.end ?? 0) - (kept[0]?.start ?? 0) < 2 * CLICK.length;
    if (clicks) kept.splice(0, head + 1);
  }
  for (let clicks = true; clicks && kept.length > 1; ) {
    const back = kept.findLastIndex((run, index) => kept[index - 1] && isClick(run, kept[index - 1] as Run));
    clicks = back > 0 && (kept.at(-1)?.end ?? 0) - (kept[back]?.start ?? 0) < 2 * CLICK.length;
    if (clicks) kept.splice(back);
  }
  return kept;
}

/** dB of each 5 ms. */
function levelsOf(samples: Float32Array): number[] {
  const levels: number[] = [];
  for (let start = 0; start + STEP <= samples.length; start += STEP) {
    let sum = 0;
    for (let index = start; index < start + STEP; index += 1) sum += (samples[index] ?? 0) ** 2;
    levels.push(10 * Math.log10(sum / STEP + 1e-10));
  }
  return levels;
}
