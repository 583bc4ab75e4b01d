import { MASKED } from './shape.ts';

/** What an encoder run gave. */
export interface EncodedSpeech {
  /** [room, hidden], of which the first `frames` rows are of the utterance. */
  readonly states: Float32Array;
  /** `encoderFrames` of the utterance's samples. */
  readonly frames: number;
}

/** Rooms are multiples of this many frames. Steps read all of it, so a longer sequence makes it grow by no more than it needs. */
const ROOM_STEP = 32;
/** Room is made for so many utterances at once; what is not used yet takes no memory, because the system gives pages on first use. */
export const LEAST_SLOTS = 8;
/** From here up ONNX Runtime's float products sum in the same order, to the last bit, whatever a batch pads a sequence to. */
const LEAST_ROOM = 96;

/**
 * What the sequences of a batch have heard: the encoder's states side by side, padded to the longest. Layers make their own keys and
 * values of them in the step itself, so that a sequence needs 0.5 MB for 11 s instead of the 6.3 MB that those would take.
 */
export class SpeechMemory {
  readonly #hidden: number;
  readonly #frames: number[] = [];
  #slots = 0;
  #room = 0;
  #states = new Float32Array(0);
  #mask = new Float32Array(0);

  constructor(hidden: number) {
    this.#hidden = hidden;
  }

  /** Frames a slot can hold. */
  get room(): number {
    return this.#room;
  }

  /** [slots, room, hidden] */
  get states(): Float32Array {
    return this.#states;
  }

  /** [slots, room], added to the scores. */
  get mask(): Float32Array {
    return this.#mask;
  }

  /** Adds an utterance in the last slot. */
  join({ states, frames }: EncodedSpeech): void {
    if (frames * this.#hidden > states.length)
      throw new RangeError(`expected ${frames} frames, got ${states.length / this.#hidden}`);
    this.#frames.push(frames);
    this.#fit();
    this.#fill(this.#frames.length - 1, states, frames);
  }

  /** Removes the utterance in `slot`; the last one takes its place. */
  leave(slot: number): void {
    const last = this.#frames.length - 1;
    moveRow(this.#states, this.#slots, last, slot);
    moveRow(this.#mask, this.#slots, last, slot);
    this.#frames[slot] = this.#frames[last] ?? 0;
    this.#frames.pop();
  }

  /** Makes room for the utterance that has just joined; gives back what is far too large. */
  #fit(): void {
    const size = this.#frames.length;
    const needed = Math.max(...this.#frames);
    const isTooLarge = this.#room > 1.25 * needed + LEAST_ROOM;
    if (size <= this.#slots && needed <= this.#room && !isTooLarge) return;
    const [old, oldRoom] = [this.#states, this.#room];
    this.#slots = Math.max(LEAST_SLOTS, 2 ** Math.ceil(Math.log2(size)));
    this.#room = Math.max(LEAST_ROOM, Math.ceil(needed / ROOM_STEP) * ROOM_STEP);
    this.#states = new Float32Array(this.#slots * this.#room * this.#hidden);
    this.#mask = new Float32Array(this.#slots * this.#room).fill(MASKED);
    for (const [slot, frames] of this.#frames.slice(0, -1).entries())
      this.#fill(slot, old.subarray(slot * oldRoom * this.#hidden), frames);
  }

  /** Zeros behind the last frame: what another utterance left there could be as large as it likes. */
  #fill(slot: number, states: Float32Array, frames: number): void {
    const start = slot * this.#room;
    const end = start + this.#room;
    this.#states.set(states.subarray(0, frames * this.#hidden), start * this.#hidden);
    this.#states.fill(0, (start + frames) * this.#hidden, end * this.#hidden);
    this.#mask.fill(0, start, start + frames);
    this.#mask.fill(MASKED, start + frames, end);
  }
}

/** Moves row `from` of an array of `rows` rows to row `to`. */
export function moveRow(array: Float32Array, rows: number, from: number, to: number): void {
  const length = array.length / rows;
  if (from !== to) array.copyWithin(to * length, from * length, (from + 1) * length);
}
