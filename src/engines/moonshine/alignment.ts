import type { Attention } from './backend.ts';

/** Width of the median filter over frames, odd, as in Whisper's reference code (whisper/timing.py). */
const MEDIAN_WIDTH = 7;

/**
 * For each of the first `rows` tokens the place in `frames` where it begins, never falling. As Whisper's `find_alignment`: each
 * head's weights over the given frames are normalised over the tokens, smoothed over the frames, averaged over the heads, and the best
 * monotonic path through them says when the decoder turned from one token to the next. Unlike there, the caller leaves frames of
 * silence out: attention has no place for a pause and smears the words beside it over it.
 */
export function tokenStarts(attention: Attention, frames: readonly number[], rows: number): number[] {
  const gains = averageHeads(attention, frames);
  return bestPath(gains.subarray(0, rows * frames.length), rows, frames.length);
}

/** [attention rows, frames]: how sure a row is at a frame, compared with the other rows. */
function averageHeads({ weights, rows, frames: room }: Attention, frames: readonly number[]): Float32Array {
  const heads = weights.length / (rows * room);
  const mean = new Float32Array(rows * frames.length);
  for (let head = 0; head < heads; head += 1) {
    const own = weights.subarray(head * rows * room, (head + 1) * rows * room);
    const normalised = normaliseColumns(own, rows, room, frames);
    for (let row = 0; row < rows; row += 1) {
      const first = row * frames.length;
      const smooth = medianFilter(normalised.subarray(first, first + frames.length));
      for (const [frame, value] of smooth.entries())
        mean[first + frame] = (mean[first + frame] ?? 0) + value / heads;
    }
  }
  return mean;
}

/** [rows, room] to [rows, frames] with mean 0 and deviation 1 over the rows of each frame. */
function normaliseColumns(
  weights: Float32Array,
  rows: number,
  room: number,
  frames: readonly number[],
): Float32Array {
  const normalised = new Float32Array(rows * frames.length);
  for (const [place, frame] of frames.entries()) {
    let sum = 0;
    let squares = 0;
    for (let row = 0; row < rows; row += 1) {
      const weight = weights[row * room + frame] ?? 0;
      sum += weight;
      squares += weight * weight;
    }
    const mean = sum / rows;
    const deviation = Math.sqrt(Math.max(0, squares / rows - mean * mean)) + 1e-9;
    for (let row = 0; row < rows; row += 1)
      normalised[row * frames.length + place] = ((weights[row * room + frame] ?? 0) - mean) / deviation;
  }
  return normalised;
}

/** Edges are mirrored. */
function medianFilter(values: Float32Array): Float32Array {
  const half = (MEDIAN_WIDTH - 1) / 2;
  if (values.length <= half) return values;
  const window = new Float32Array(MEDIAN_WIDTH);
  return values.map((_, index) => {
    for (let offset = -half; offset <= half; offset += 1) {
      const place = Math.abs(index + offset);
      const mirrored = place < values.length ? place : 2 * values.length - 2 - place;
      window[offset + half] = values[mirrored] ?? 0;
    }
    return window.sort()[half] ?? 0;
  });
}

const BOTH = 0;
const ROW = 1;
const FRAME = 2;

/**
 * Dynamic time warping over gains [rows, frames]: the path from the first row and frame to the last of both with the greatest sum,
 * moving on by one row, one frame or both. Answers the frame in which it enters each row.
 */
export function bestPath(gains: Float32Array, rows: number, frames: number): number[] {
  const width = frames + 1;
  const best = new Float64Array((rows + 1) * width).fill(Number.NEGATIVE_INFINITY);
  const moves = new Uint8Array((rows + 1) * width);
  best[0] = 0;
  for (let row = 1; row <= rows; row += 1) {
    for (let frame = 1; frame <= frames; frame += 1) {
      const at = row * width + frame;
      const both = best[at - width - 1] ?? 0;
      const rowOnly = best[at - width] ?? 0;
      const frameOnly = best[at - 1] ?? 0;
      moves[at] = both >= rowOnly && both >= frameOnly ? BOTH : rowOnly >= frameOnly ? ROW : FRAME;
      best[at] = Math.max(both, rowOnly, frameOnly) + (gains[(row - 1) * frames + frame - 1] ?? 0);
    }
  }
  const entered = new Array<number>(rows).fill(0);
  let [row, frame] = [rows, frames];
  while (row > 0 && frame > 0) {
    entered[row - 1] = frame - 1;
    const move = moves[row * width + frame];
    if (move !== FRAME) row -= 1;
    if (move !== ROW) frame -= 1;
  }
  return entered;
}
