import type { Transcript } from '../transcript.ts';
import { breakCost, breakLines, linesNeeded, lineWidth } from './line-breaks.ts';
import { splitRuns } from './split-runs.ts';
import { type TimedPiece, timedPieces } from './timed-pieces.ts';

/** What a viewer can read. Defaults: {@link DEFAULT_CUE_LIMITS}. */
export interface CueLimits {
  /** Characters in a line; full-width ones count 2. */
  readonly maxLineWidth: number;
  /** Lines in a cue. */
  readonly maxLineCount: number;
  /** Longest time a cue stands, in seconds. */
  readonly maxCueSecond: number;
}

/** Two lines of 42 characters and 7 s, as subtitle guides for television and streaming have them. */
export const DEFAULT_CUE_LIMITS: CueLimits = { maxLineWidth: 42, maxLineCount: 2, maxCueSecond: 7 };

/** One subtitle. Milliseconds, because that is what both formats write: cues never overlap once rounded. */
export interface Cue {
  readonly startMs: number;
  readonly endMs: number;
  readonly lines: readonly string[];
}

/** A cue stands at least so long where the next one leaves room. */
const MINIMUM_CUE_SECOND = 1;
/** A shorter gap before the next cue only flickers: the cue stands on until then. */
const FLICKER_SECOND = 0.25;
/** A longer silence between two words ends a cue. */
const PAUSE_SECOND = 1.5;

/**
 * A transcript as subtitles, in order, with all of its text. A cue holds words of one segment, starts when its first word starts, and
 * ends at a sentence or clause where the limits allow it (docs/decisions/0007-subtitle-cues.md).
 */
export function buildCues(transcript: Transcript, limits: CueLimits = DEFAULT_CUE_LIMITS): Cue[] {
  return [...generateCues(transcript, limits)];
}

/** The same one after another: hours of speech take a second, and others have their turn between two cues. */
export function* generateCues(
  transcript: Transcript,
  limits: CueLimits = DEFAULT_CUE_LIMITS,
): Generator<Cue> {
  let earliestMs = 0;
  let waiting: readonly TimedPiece[] | undefined;
  const finish = (pieces: readonly TimedPiece[], next: number | undefined): Cue => {
    const startMs = Math.max(earliestMs, milliseconds(pieces[0]?.startSecond ?? 0));
    const endMs = Math.max(startMs + 1, milliseconds(cueEnd(pieces, { next, transcript, limits })));
    earliestMs = endMs;
    return { startMs, endMs, lines: breakLines(pieces, limits.maxLineWidth) };
  };
  for (const segment of transcript.segments)
    for (const pieces of splitIntoCues(timedPieces(segment, limits.maxLineWidth), limits)) {
      if (waiting !== undefined) yield finish(waiting, pieces[0]?.startSecond);
      waiting = pieces;
    }
  if (waiting !== undefined) yield finish(waiting, undefined);
}

/** Fewer cues are better, but a good place to cut is worth more than one cue less, and a cue that flashes by is bad. */
function splitIntoCues(pieces: readonly TimedPiece[], limits: CueLimits): TimedPiece[][] {
  const cuts = pieces.map((piece, index) => cutCost(piece, pieces[index + 1]));
  const ends = splitRuns(pieces.length, (start, end) => {
    const cue = pieces.slice(start, end);
    if (!isAllowed(cue, limits)) return Number.POSITIVE_INFINITY;
    const flashes =
      cue.length < pieces.length && (secondsOf(cue) < MINIMUM_CUE_SECOND || lineWidth(cue) < 12);
    return 10 + (cuts[end - 1] ?? 0) + (flashes ? 25 : 0);
  });
  return (ends ?? []).map((end, index) => pieces.slice(ends?.[index - 1] ?? 0, end));
}

/** The end of the segment costs nothing, and a place where the speaker stops little. */
function cutCost(piece: TimedPiece, next: TimedPiece | undefined): number {
  if (next === undefined) return 0;
  const pauses = next.startSecond - piece.endSecond > 0.3;
  return breakCost(piece.text, next) * (pauses ? 0.3 : 1);
}

function isAllowed(
  cue: readonly TimedPiece[],
  { maxLineWidth, maxLineCount, maxCueSecond }: CueLimits,
): boolean {
  if (cue.length > 1 && (secondsOf(cue) > maxCueSecond || holdsPause(cue))) return false;
  return linesNeeded(cue, maxLineWidth) <= maxLineCount;
}

function secondsOf(cue: readonly TimedPiece[]): number {
  return (cue.at(-1)?.endSecond ?? 0) - (cue[0]?.startSecond ?? 0);
}

function holdsPause(cue: readonly TimedPiece[]): boolean {
  const [before, last] = cue.slice(-2);
  return before !== undefined && last !== undefined && last.startSecond - before.endSecond > PAUSE_SECOND;
}

/** The last word's end, moved later when the cue would flash by or flicker, never into the next cue or past the recording. */
function cueEnd(
  pieces: readonly TimedPiece[],
  around: { readonly next: number | undefined; readonly transcript: Transcript; readonly limits: CueLimits },
): number {
  const start = pieces[0]?.startSecond ?? 0;
  const spoken = Math.min(pieces.at(-1)?.endSecond ?? start, start + around.limits.maxCueSecond);
  const room = Math.min(
    around.next ?? Math.max(around.transcript.durationSecond, spoken),
    start + around.limits.maxCueSecond,
  );
  const readable = Math.min(Math.max(spoken, start + MINIMUM_CUE_SECOND), Math.max(spoken, room));
  const gap = (around.next ?? Number.POSITIVE_INFINITY) - readable;
  const end = gap > 0 && gap < FLICKER_SECOND ? Math.max(readable, room) : readable;
  return Math.min(end, around.next ?? end);
}

function milliseconds(second: number): number {
  return Math.max(0, Math.round(second * 1000));
}
