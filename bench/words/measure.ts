import type { TimedWord } from '../../src/engines/engine.ts';
import type { InProcess } from '../accuracy/in-process.ts';
import { type JoinedRecording, type PlacedWord, SAMPLE_RATE } from './joined-recordings.ts';

export interface EdgeError {
  /** Seconds that the edge lies after its true place; below 0 before. */
  readonly second: number;
  /** Silence beside it. */
  readonly gapSecond: number;
}

export interface WordErrors {
  readonly starts: readonly EdgeError[];
  readonly ends: readonly EdgeError[];
  /** Edges with a known place, recognised or not. */
  readonly known: number;
  /** Words that break a rule: out of order, overlapping, empty, outside the recording. */
  readonly broken: number;
}

const DIGITS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];

export async function measureWords(recording: JoinedRecording, pipeline: InProcess): Promise<WordErrors> {
  const chunks = await pipeline.findChunks(recording.samples);
  const answers = await pipeline.decode(recording.samples, chunks, { wantsWords: true });
  const words = answers.flatMap((answer) =>
    (answer.words ?? []).map((word) => ({
      text: word.text,
      startSecond: answer.startSecond + word.startSecond,
      endSecond: answer.startSecond + word.endSecond,
    })),
  );
  const starts: EdgeError[] = [];
  const ends: EdgeError[] = [];
  for (const [reference, heard] of matchWords(recording.words, words.flatMap(spokenWords))) {
    if (reference.startSecond !== undefined && heard.startSecond !== undefined)
      starts.push({
        second: heard.startSecond - reference.startSecond,
        gapSecond: reference.gapBeforeSecond ?? 0,
      });
    if (reference.endSecond !== undefined && heard.endSecond !== undefined)
      ends.push({ second: heard.endSecond - reference.endSecond, gapSecond: reference.gapAfterSecond ?? 0 });
  }
  const known = recording.words.reduce(
    (sum, word) => sum + (word.startSecond === undefined ? 0 : 1) + (word.endSecond === undefined ? 0 : 1),
    0,
  );
  return { starts, ends, known, broken: countBroken(words, recording.samples.length / SAMPLE_RATE) };
}

/** A written word as it is spoken: figures digit by digit, of which only the outer edges have a place. */
function spokenWords({ text, startSecond, endSecond }: TimedWord): PlacedWord[] {
  const bare = text.toLowerCase().replace(/[^a-z0-9']/g, '');
  if (bare === '') return [];
  if (!/^\d+$/.test(bare)) return [{ word: bare, startSecond, endSecond }];
  return [...bare].map((digit, index) => ({
    word: DIGITS[Number(digit)] ?? '',
    ...(index === 0 && { startSecond }),
    ...(index === bare.length - 1 && { endSecond }),
  }));
}

/** Pairs of equal words along the cheapest alignment; a substitution costs more than a deletion but less than two. */
function matchWords(
  reference: readonly PlacedWord[],
  heard: readonly PlacedWord[],
): [PlacedWord, PlacedWord][] {
  const width = heard.length + 1;
  const cost = new Float64Array((reference.length + 1) * width);
  const same = (row: number, column: number): boolean => reference[row - 1]?.word === heard[column - 1]?.word;
  const at = (row: number, column: number): number => cost[row * width + column] ?? 0;
  for (let row = 0; row <= reference.length; row += 1)
    for (let column = 0; column < width; column += 1)
      cost[row * width + column] =
        row === 0 || column === 0
          ? row + column
          : Math.min(
              at(row - 1, column - 1) + (same(row, column) ? 0 : 1.5),
              at(row - 1, column) + 1,
              at(row, column - 1) + 1,
            );
  const pairs: [PlacedWord, PlacedWord][] = [];
  let [row, column] = [reference.length, heard.length];
  while (row > 0 && column > 0) {
    const [left, right] = [reference[row - 1], heard[column - 1]];
    if (same(row, column) && at(row, column) === at(row - 1, column - 1)) {
      if (left && right) pairs.push([left, right]);
      row -= 1;
      column -= 1;
    } else if (at(row, column) === at(row - 1, column - 1) + 1.5) {
      row -= 1;
      column -= 1;
    } else if (at(row, column) === at(row - 1, column) + 1) row -= 1;
    else column -= 1;
  }
  return pairs;
}

function countBroken(words: readonly TimedWord[], lengthSecond: number): number {
  let previous = 0;
  let broken = 0;
  for (const { startSecond, endSecond } of words) {
    const rounding = 1e-6;
    if (startSecond < previous - rounding || endSecond <= startSecond || endSecond > lengthSecond + rounding)
      broken += 1;
    previous = endSecond;
  }
  return broken;
}
