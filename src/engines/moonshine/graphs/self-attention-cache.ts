import { MASKED, type MoonshineShape } from './shape.ts';
import { LEAST_SLOTS, moveRow } from './speech-memory.ts';

/** Rooms are multiples of this many positions, so that a longer sequence does not move everything at each token. */
const ROOM_STEP = 32;

/** Keys and values of the tokens that each sequence of a batch has behind it, in the layout the decoder step reads without copying. */
export class SelfAttentionCache {
  readonly #shape: MoonshineShape;
  readonly #positions: number[] = [];
  #slots = 0;
  #room = 0;
  #parts: Float32Array[] = [];
  #mask = new Float32Array(0);

  constructor(shape: MoonshineShape) {
    this.#shape = shape;
  }

  /** Positions a slot can hold. */
  get room(): number {
    return this.#room;
  }

  /** Per layer key and value, [slots, heads, room, headSize]. */
  get parts(): readonly Float32Array[] {
    return this.#parts;
  }

  /** [slots, room + 1], added to the scores; the last is the token of the step itself. */
  get mask(): Float32Array {
    return this.#mask;
  }

  /** Tokens that the sequence in `slot` has behind it. */
  positionOf(slot: number): number {
    return this.#positions[slot] ?? 0;
  }

  /** Adds a sequence in the last slot. */
  join(): void {
    const slot = this.#positions.push(0) - 1;
    this.#fit();
    this.#mask.fill(MASKED, slot * (this.#room + 1), (slot + 1) * (this.#room + 1) - 1);
  }

  /** Keeps what the token of `slot` added (`fresh` is the whole batch's output). */
  advance(slot: number, fresh: Float32Array): void {
    const { heads, headSize, hidden } = this.#shape;
    const room = this.#room;
    const position = this.positionOf(slot);
    this.#parts.forEach((target, part) => {
      const source = (slot * this.#parts.length + part) * hidden;
      for (let head = 0; head < heads; head++) {
        const start = ((slot * heads + head) * room + position) * headSize;
        for (let i = 0; i < headSize; i++) target[start + i] = fresh[source + head * headSize + i] ?? 0;
      }
    });
    this.#mask[slot * (room + 1) + position] = 0;
    this.#positions[slot] = position + 1;
    if (position + 1 === room) this.#fit();
  }

  /** Takes `slot` back to when it had `position` tokens behind it. */
  rewind(slot: number, position: number): void {
    if (!(position >= 0 && position <= this.positionOf(slot)))
      throw new RangeError(`slot ${slot} is at position ${this.positionOf(slot)}, not yet at ${position}`);
    const start = slot * (this.#room + 1);
    this.#mask.fill(MASKED, start + position, start + this.#room);
    this.#positions[slot] = position;
  }

  /** Removes the sequence in `slot`; the last one takes its place. */
  leave(slot: number): void {
    const last = this.#positions.length - 1;
    for (const array of [this.#mask, ...this.#parts]) moveRow(array, this.#slots, last, slot);
    this.#positions[slot] = this.#positions[last] ?? 0;
    this.#positions.pop();
  }

  /** Makes room for the next token of every sequence; also gives room back, because steps read all of it. */
  #fit(): void {
    const { layers, heads, headSize } = this.#shape;
    const [oldParts, oldRoom] = [this.#parts, this.#room];
    const size = this.#positions.length;
    const needed = Math.max(...this.#positions) + 1;
    const room = Math.ceil(needed / ROOM_STEP) * ROOM_STEP;
    if (size <= this.#slots && room <= oldRoom && oldRoom <= 2 * room) return;
    const slots = Math.max(LEAST_SLOTS, 2 ** Math.ceil(Math.log2(size)));
    const partSize = slots * heads * room * headSize;
    // One block, which the allocator gives back as a whole.
    const all = new Float32Array(2 * layers * partSize);
    const parts = Array.from({ length: 2 * layers }, (_, part) =>
      all.subarray(part * partSize, (part + 1) * partSize),
    );
    const mask = new Float32Array(slots * (room + 1)).fill(MASKED);
    for (let slot = 0; slot < slots; slot++) mask[slot * (room + 1) + room] = 0;
    this.#positions.forEach((filled, slot) => {
      mask.fill(0, slot * (room + 1), slot * (room + 1) + filled);
      if (filled === 0) return;
      parts.forEach((target, part) => {
        for (let row = slot * heads; row < (slot + 1) * heads; row++) {
          const start = row * oldRoom * headSize;
          const kept = oldParts[part]?.subarray(start, start + filled * headSize);
          if (kept !== undefined) target.set(kept, row * room * headSize);
        }
      });
    });
    this.#slots = slots;
    this.#room = room;
    this.#parts = parts;
    this.#mask = mask;
  }
}
