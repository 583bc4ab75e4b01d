import type { SampleSpan, TimedWord } from '../engine.ts';
import { findPauses, joinPauses, type Pause, pausesBetween } from '../pauses.ts';
import { tokenStarts } from './alignment.ts';
import type { Attention } from './backend.ts';
import type { TokenText } from './tokenizer.ts';

/** Seconds between two encoder frames: the strides of the stem, 64 x 3 x 2 samples. */
const FRAME_SECOND = 384 / 16_000;
/** Where the first frame begins: half the stem's field of 895 samples, less half a frame. */
const FIRST_FRAME_SECOND = (895 - 384) / 2 / 16_000;
/** A turn to the next word moves to a pause that lies no more frames away. Chosen by bench/words. */
const SNAP_FRAMES = 9;
const SHORTEST_WORD_SECOND = 0.02;

export interface HeardText extends TokenText {
  /** The sound that was heard. */
  readonly samples: Float32Array;
  readonly attention: Attention;
  /** Where the voice detector hears speech, in the same samples. */
  readonly speech?: readonly SampleSpan[] | undefined;
  /** No word lies outside, in seconds from the first sample. */
  readonly from: number;
  readonly to: number;
}

/** The moment between two words, or the two ends of the pause between them. */
interface Turn {
  readonly beforeEndSecond: number;
  readonly nextStartSecond: number;
}

/**
 * Words of a text, cut at white space, with their places in the sound: in order, without overlaps, none of them empty. A word
 * begins where the decoder's attention turned to its first token; beside a pause it begins and ends where the sound does.
 */
export function timeWords({ samples, attention, speech, text, ends, from, to }: HeardText): TimedWord[] {
  const words = wordsOf(text, ends);
  if (words.length === 0) return [];
  // The level is exact but blind in noise; the detector hears through noise but is a frame or two off.
  const heard = speech === undefined ? [] : pausesBetween(speech, samples.length);
  const pauses = joinPauses([...findPauses(samples), ...heard]);
  const rows = attention.rows - 1;
  const speaking = framesOutside(pauses, attention.frames);
  const frames = speaking.length > rows ? speaking : [...Array(attention.frames).keys()];
  const starts = tokenStarts(attention, frames, rows);
  const places = words.map((word) => starts[word.firstToken] ?? 0);
  const turns = placeTurns(places, frames, pauses);
  const timed = words.map((word, index) => ({
    text: word.text,
    startSecond: turns[index]?.nextStartSecond ?? 0,
    endSecond: turns[index + 1]?.beforeEndSecond ?? 0,
  }));
  return inOrder(timed, from, to);
}

/** Each word with the token that holds its first character. */
function wordsOf(text: string, ends: readonly number[]): { text: string; firstToken: number }[] {
  return [...text.matchAll(/\S+/g)].map((match) => ({
    text: match[0],
    firstToken: ends.findIndex((end) => end > match.index),
  }));
}

function startOf(frame: number): number {
  return FIRST_FRAME_SECOND + frame * FRAME_SECOND;
}

function middleOf(frame: number): number {
  return startOf(frame) + FRAME_SECOND / 2;
}

/** Frames whose middle lies in no pause. */
function framesOutside(pauses: readonly Pause[], frames: number): number[] {
  return [...Array(frames).keys()].filter((frame) => {
    const middle = middleOf(frame);
    return !pauses.some((pause) => middle >= pause.startSecond && middle < pause.endSecond);
  });
}

/**
 * Moments at which each word begins, given as places in `frames`, and the one at which the last ends. Each pause goes to the turn
 * nearest to it, if one is near enough.
 */
function placeTurns(places: readonly number[], frames: readonly number[], pauses: readonly Pause[]): Turn[] {
  // The last word ends with the sound.
  const all = [...places, frames.length];
  const last = frames.at(-1) ?? 0;
  const turns: Turn[] = all.map((place) => {
    const second = startOf(frames[place] ?? last + 1);
    return { beforeEndSecond: second, nextStartSecond: second };
  });
  const distances = all.map(() => SNAP_FRAMES + 1);
  for (const pause of pauses) {
    const place = frames.filter((frame) => middleOf(frame) < pause.startSecond).length;
    const nearest = indexOfNearest(all, place);
    const distance = Math.abs((all[nearest] ?? 0) - place);
    if (distance >= (distances[nearest] ?? 0)) continue;
    distances[nearest] = distance;
    turns[nearest] = { beforeEndSecond: pause.startSecond, nextStartSecond: pause.endSecond };
  }
  return turns;
}

function indexOfNearest(places: readonly number[], place: number): number {
  let nearest = 0;
  for (const [index, candidate] of places.entries())
    if (Math.abs(candidate - place) < Math.abs((places[nearest] ?? 0) - place)) nearest = index;
  return nearest;
}

/** Moves edges apart where two words would touch the same moment: forward from the start, then back from the end. */
function inOrder(words: readonly TimedWord[], from: number, to: number): TimedWord[] {
  const shortest = Math.min(SHORTEST_WORD_SECOND, (to - from) / words.length);
  let earliest = from;
  const forward = words.map((word) => {
    const startSecond = Math.max(word.startSecond, earliest);
    earliest = Math.max(word.endSecond, startSecond + shortest);
    return { ...word, startSecond, endSecond: earliest };
  });
  let latest = to;
  return forward
    .reverse()
    .map((word) => {
      const endSecond = Math.min(word.endSecond, latest);
      latest = Math.min(word.startSecond, endSecond - shortest);
      return { ...word, startSecond: latest, endSecond };
    })
    .reverse();
}
