import { MASKED } from './shape.ts';

/** What an encoder run gave. */
export interface EncodedSpeech {
  /** [room, hidden], of which the first `frames` rows are of the utterance. */
  readonly states: Float32Array;
  /** `encoderFrames` of the utterance's samples. */
  readonly frames: number;
  /** What a `SpeechMemory` keeps of it, where the encoder gave that too. */
  readonly rounded?: RoundedSpeech;
}

/** An utterance's states in 8 bits, in both orders, because the int8 products read either only as it lies. */
export interface RoundedSpeech {
  /** [room, hidden] */
  readonly states: Int8Array;
  /** [hidden, room] */
  readonly turned: Int8Array;
  /** What one step stands for. */
  readonly unit: number;
}

/** Rooms are multiples of this many frames. Steps read all of it, so a longer sequence makes it grow by no more than it needs. */
const ROOM_STEP = 32;
/** Room is made for so many utterances at once; what is not used yet takes no memory, because the system gives pages on first use. */
export const LEAST_SLOTS = 8;
/** From here up ONNX Runtime sums floats over the frames in the same order, to the last bit, whatever a batch pads a sequence to. */
const LEAST_ROOM = 96;

/**
 * What the sequences of a batch have heard: the encoder's states side by side, padded to the longest. Layers make their own keys and
 * values of them in the step itself, so that a sequence needs 0.26 MB for 11 s instead of the 6.3 MB that those would take.
 */
export class SpeechMemory {
  readonly #hidden: number;
  readonly #frames: number[] = [];
  #slots = 0;
  #room = 0;
  #states = new Int8Array(0);
  #turned = new Int8Array(0);
  #units = new Float32Array(0);
  #mask = new Float32Array(0);

  constructor(hidden: number) {
    this.#hidden = hidden;
  }

  /** Frames a slot can hold. */
  get room(): number {
    return this.#room;
  }

  /** [slots, room, hidden], in units of the slot. */
  get states(): Int8Array {
    return this.#states;
  }

  /** The same as [slots, hidden, room]. */
  get turned(): Int8Array {
    return this.#turned;
  }

  /** [slots]: what one step of the slot's states stands for. */
  get units(): Float32Array {
    return this.#units;
  }

  /** [slots, room], added to the scores. */
  get mask(): Float32Array {
    return this.#mask;
  }

  /** Adds an utterance in the last slot. One of a published encoder is rounded here, which takes a hundred times as long. */
  join({ states, frames, rounded = roundStates(states, this.#hidden) }: EncodedSpeech): void {
    const room = rounded.states.length / this.#hidden;
    if (rounded.turned.length !== rounded.states.length || room < frames)
      throw new RangeError(`expected ${frames} frames, got ${room}`);
    this.#frames.push(frames);
    this.#fit();
    this.#fill(this.#frames.length - 1, frames, rounded, room);
  }

  /** Removes the utterance in `slot`; the last one takes its place. */
  leave(slot: number): void {
    const last = this.#frames.length - 1;
    for (const array of [this.#states, this.#turned, this.#units, this.#mask])
      moveRow(array, this.#slots, last, slot);
    this.#frames[slot] = this.#frames[last] ?? 0;
    this.#frames.pop();
  }

  /** Makes room for the utterance that has just joined; gives back what is far too large. */
  #fit(): void {
    const size = this.#frames.length;
    const needed = Math.max(...this.#frames);
    const isTooLarge = this.#room > 1.25 * needed + LEAST_ROOM;
    if (size <= this.#slots && needed <= this.#room && !isTooLarge) return;
    const [old, oldTurned, oldUnits, oldRoom] = [this.#states, this.#turned, this.#units, this.#room];
    this.#slots = Math.max(LEAST_SLOTS, 2 ** Math.ceil(Math.log2(size)));
    this.#room = Math.max(LEAST_ROOM, Math.ceil(needed / ROOM_STEP) * ROOM_STEP);
    this.#states = new Int8Array(this.#slots * this.#room * this.#hidden);
    this.#turned = new Int8Array(this.#states.length);
    this.#units = new Float32Array(this.#slots);
    this.#mask = new Float32Array(this.#slots * this.#room).fill(MASKED);
    for (const [slot, frames] of this.#frames.slice(0, -1).entries()) {
      const start = slot * oldRoom * this.#hidden;
      const [states, turned] = [old.subarray(start), oldTurned.subarray(start)];
      this.#fill(slot, frames, { states, turned, unit: oldUnits[slot] ?? 1 }, oldRoom);
    }
  }

  /** `room` is how long the rows of `turned` are. Zeros go behind the last frame: another utterance may have left anything there. */
  #fill(slot: number, frames: number, { states, turned, unit }: RoundedSpeech, room: number): void {
    const [ownRoom, hidden] = [this.#room, this.#hidden];
    const start = slot * ownRoom;
    const end = start + ownRoom;
    this.#states.set(states.subarray(0, frames * hidden), start * hidden);
    this.#states.fill(0, (start + frames) * hidden, end * hidden);
    this.#turned.fill(0, start * hidden, end * hidden);
    for (let row = 0; row < hidden; row++)
      this.#turned.set(turned.subarray(row * room, row * room + frames), start * hidden + row * ownRoom);
    this.#units[slot] = unit;
    this.#mask.fill(0, start, start + frames);
    this.#mask.fill(MASKED, start + frames, end);
  }
}

/** As the encoder's graph does it. */
function roundStates(states: Float32Array, hidden: number): RoundedSpeech {
  const largest = states.reduce((most, state) => Math.max(most, Math.abs(state)), 0);
  const unit = Math.max(largest / 127, 1e-12);
  const steps = Int8Array.from(states, (state) => Math.round(state / unit));
  const room = states.length / hidden;
  const turned = steps.map((_, i) => steps[(i % room) * hidden + Math.floor(i / room)] ?? 0);
  return { states: steps, turned, unit };
}

/** Moves row `from` of an array of `rows` rows to row `to`. */
export function moveRow(array: Float32Array | Int8Array, rows: number, from: number, to: number): void {
  const length = array.length / rows;
  if (from !== to) array.copyWithin(to * length, from * length, (from + 1) * length);
}
