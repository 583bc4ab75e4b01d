import { FRAME_STEP, type MoonshineShape } from './shape.ts';

/** What an encoder run gave: its outputs, in which `frames` are of the utterance and the rest of the room is padding. */
export interface EncodedSpeech {
  /** [layers * heads, headSize, room] */
  keys: Float32Array;
  /** [layers * heads, room, headSize] */
  values: Float32Array;
  /** `encoderFrames` of the utterance's samples. */
  frames: number;
}

export type FeedData = Float32Array | BigInt64Array;

/** Added to the score of a position that is not to be heard. */
const MASKED = -1e9;
/** Arrays grow in these steps, so that a longer sequence does not move everything at each token. */
const POSITION_STEP = 32;
const SHARED_FRAME_STEP = 128;

/**
 * State of the sequences that decode together, in the layout the decoder step reads without copying. Sequences join and
 * leave between steps; slots run from 0 to `size - 1`, and the last sequence moves into a slot that falls free.
 *
 * A sequence alone reads the encoder's own arrays; when a second one joins, both are copied into shared ones, padded to
 * the longest. A tensor is made again only when its shape changes.
 */
export class KvCache<Key, Tensor> {
  readonly #shape: MoonshineShape;
  readonly #batch: number;
  readonly #makeTensor: (data: FeedData, dims: number[]) => Tensor;
  readonly #keys: Key[] = [];
  readonly #positions: number[] = [];
  readonly #frames: number[] = [];
  #self: SelfState = { slots: 0, room: 0, parts: [], mask: new Float32Array(0) };
  #cross: CrossState = { slots: 0, room: 0, keys: [], values: [], mask: new Float32Array(0) };
  /** Arrays for more than one sequence; `#cross` is either these or a single sequence's own. */
  #shared: CrossState | undefined;
  #token = new BigInt64Array(0);
  #position = new BigInt64Array(0);
  #feeds: Record<string, Tensor> | undefined;

  /**
   * `makeTensor` wraps an array and its dims for the runtime: int64 for a BigInt64Array, else float32.
   * `batch` is how many sequences are expected together; more may join, at the price of moving everything.
   */
  constructor(shape: MoonshineShape, makeTensor: (data: FeedData, dims: number[]) => Tensor, batch = 1) {
    this.#shape = shape;
    this.#batch = batch;
    this.#makeTensor = makeTensor;
  }

  get size(): number {
    return this.#keys.length;
  }

  /** Which sequence is in which slot. */
  get keys(): readonly Key[] {
    return this.#keys;
  }

  /** Tokens that the sequence in `slot` has behind it. */
  positionOf(slot: number): number {
    return this.#positions[slot] ?? 0;
  }

  /** Adds a sequence that begins with `token` (the start token) in the last slot. */
  join(key: Key, speech: EncodedSpeech, token: number): void {
    const slot = this.size;
    const arrays = this.#adopt(speech);
    this.#keys.push(key);
    this.#positions.push(0);
    this.#frames.push(speech.frames);
    this.#feeds = undefined;
    this.#fitSelf();
    this.#self.mask.fill(MASKED, slot * (this.#self.room + 1), (slot + 1) * (this.#self.room + 1) - 1);
    if (slot === 0) this.#cross = arrays;
    else {
      this.#fitCross();
      this.#copyCross(arrays, 0, this.#cross, slot, speech.frames);
    }
    this.#token[slot] = BigInt(token);
    this.#position[slot] = 0n;
  }

  /** Inputs of the next step, `size` sequences in slot order. Use them before the cache changes again. */
  feeds(): Record<string, Tensor> {
    this.#feeds ??= this.#makeFeeds();
    return this.#feeds;
  }

  /** After a step: keeps what the token of `slot` added (`fresh` is the whole batch's output) and sets the next token. */
  advance(slot: number, token: number, fresh: Float32Array): void {
    const { heads, headSize, hidden } = this.#shape;
    const { parts, room, mask } = this.#self;
    const position = this.positionOf(slot);
    parts.forEach((target, part) => {
      const source = (slot * parts.length + part) * hidden;
      for (let head = 0; head < heads; head++) {
        const start = ((slot * heads + head) * room + position) * headSize;
        for (let i = 0; i < headSize; i++) target[start + i] = fresh[source + head * headSize + i] ?? 0;
      }
    });
    mask[slot * (room + 1) + position] = 0;
    this.#positions[slot] = position + 1;
    this.#token[slot] = BigInt(token);
    this.#position[slot] = BigInt(position + 1);
    if (position + 1 === room) this.#fitSelf();
  }

  /** Takes `slot` back to when it had `position` tokens behind it, to go on from there with another `token`. */
  rewind(slot: number, position: number, token: number): void {
    if (!(position >= 0 && position <= this.positionOf(slot)))
      throw new RangeError(`slot ${slot} is at position ${this.positionOf(slot)}, not yet at ${position}`);
    const { room, mask } = this.#self;
    mask.fill(MASKED, slot * (room + 1) + position, slot * (room + 1) + room);
    this.#positions[slot] = position;
    this.#token[slot] = BigInt(token);
    this.#position[slot] = BigInt(position);
  }

  /** Removes the sequence in `slot`; the one in the last slot takes its place. */
  leave(slot: number): void {
    const last = this.size - 1;
    if (!(slot >= 0 && slot <= last))
      throw new RangeError(`no sequence in slot ${slot}, the cache holds ${this.size}`);
    for (const array of [this.#self.mask, ...this.#self.parts]) moveRow(array, this.#self.slots, last, slot);
    const { mask, keys, values, slots } = this.#cross;
    for (const array of [mask, ...keys, ...values]) moveRow(array, slots, last, slot);
    for (const array of [this.#token, this.#position]) array[slot] = array[last] ?? 0n;
    for (const list of [this.#keys, this.#positions, this.#frames] as unknown[][]) list[slot] = list[last];
    for (const list of [this.#keys, this.#positions, this.#frames]) list.pop();
    this.#feeds = undefined;
  }

  /** Makes room for the next token of every sequence; also gives room back, because steps read all of it. */
  #fitSelf(): void {
    const { layers, heads, headSize } = this.#shape;
    const old = this.#self;
    const needed = Math.max(...this.#positions) + 1;
    const room = Math.ceil(needed / POSITION_STEP) * POSITION_STEP;
    if (this.size <= old.slots && room <= old.room && old.room <= 2 * room) return;
    const slots = Math.max(old.slots, 2 ** Math.ceil(Math.log2(this.size)));
    const rowSize = heads * headSize;
    const parts = Array.from({ length: 2 * layers }, () => new Float32Array(slots * rowSize * room));
    const mask = new Float32Array(slots * (room + 1)).fill(MASKED);
    for (let slot = 0; slot < slots; slot++) mask[slot * (room + 1) + room] = 0;
    this.#positions.forEach((filled, slot) => {
      mask.fill(0, slot * (room + 1), slot * (room + 1) + filled);
      if (filled === 0) return;
      parts.forEach((target, part) => {
        for (let row = slot * heads; row < (slot + 1) * heads; row++) {
          const start = row * old.room * headSize;
          target.set(
            (old.parts[part] ?? target).subarray(start, start + filled * headSize),
            row * room * headSize,
          );
        }
      });
    });
    this.#self = { slots, room, parts, mask };
    this.#token = resized(this.#token, slots);
    this.#position = resized(this.#position, slots);
    this.#feeds = undefined;
  }

  /** Makes room for the sequence that has just joined. Shared arrays are kept for the next batch unless far too large. */
  #fitCross(): void {
    const needed = Math.max(...this.#frames);
    const old = this.#cross;
    if (!this.#shared || !fits(this.#shared, this.size, needed)) this.#shared = this.#allocateShared(needed);
    if (old === this.#shared) return;
    this.#cross = this.#shared;
    this.#frames.slice(0, -1).forEach((frames, slot) => {
      this.#copyCross(old, slot, this.#cross, slot, frames);
    });
  }

  #allocateShared(frames: number): CrossState {
    const { layers, hidden } = this.#shape;
    const room = Math.ceil(frames / SHARED_FRAME_STEP) * SHARED_FRAME_STEP;
    const slots = Math.max(this.#batch, 2 ** Math.ceil(Math.log2(this.size)));
    const arrays = () => Array.from({ length: layers }, () => new Float32Array(slots * hidden * room));
    return {
      slots,
      room,
      keys: arrays(),
      values: arrays(),
      mask: new Float32Array(slots * room).fill(MASKED),
    };
  }

  /** The encoder's arrays as the state of a single sequence. */
  #adopt({ keys, values, frames }: EncodedSpeech): CrossState {
    const { layers, hidden } = this.#shape;
    const room = keys.length / (layers * hidden);
    if (frames > room || room % FRAME_STEP !== 0) {
      throw new RangeError(
        `expected ${frames} frames in room for a multiple of ${FRAME_STEP}, got room for ${room}`,
      );
    }
    const mask = new Float32Array(room).fill(MASKED, frames);
    const perLayer = (array: Float32Array) =>
      Array.from({ length: layers }, (_, layer) =>
        array.subarray(layer * hidden * room, (layer + 1) * hidden * room),
      );
    return { slots: 1, room, keys: perLayer(keys), values: perLayer(values), mask };
  }

  #copyCross(from: CrossState, fromSlot: number, to: CrossState, toSlot: number, frames: number): void {
    const { heads, headSize, hidden } = this.#shape;
    to.keys.forEach((target, layer) => {
      copyRows(
        from.keys[layer],
        fromSlot * hidden,
        from.room,
        target,
        toSlot * hidden,
        to.room,
        hidden,
        frames,
      );
    });
    to.values.forEach((target, layer) => {
      const [fromRoom, toRoom] = [from.room * headSize, to.room * headSize];
      const source = from.values[layer];
      copyRows(source, fromSlot * heads, fromRoom, target, toSlot * heads, toRoom, heads, frames * headSize);
    });
    to.mask.fill(0, toSlot * to.room, toSlot * to.room + frames);
    to.mask.fill(MASKED, toSlot * to.room + frames, (toSlot + 1) * to.room);
  }

  #makeFeeds(): Record<string, Tensor> {
    const { heads, headSize, layers } = this.#shape;
    const batch = this.size;
    const { room, mask, parts } = this.#self;
    const cross = this.#cross;
    const tensor = (data: FeedData, ...dims: number[]): Tensor => {
      const length = dims.reduce((product, size) => product * size, 1);
      return this.#makeTensor(data.subarray(0, length), dims);
    };
    const feeds: Record<string, Tensor> = {
      token: tensor(this.#token, batch, 1),
      position: tensor(this.#position, batch, 1),
      self_mask: tensor(mask, batch, 1, 1, room + 1),
      cross_mask: tensor(cross.mask, batch, 1, 1, cross.room),
    };
    const none = new Float32Array(0);
    for (let layer = 0; layer < layers; layer++) {
      feeds[`self_key.${layer}`] = tensor(parts[2 * layer] ?? none, batch, heads, room, headSize);
      feeds[`self_value.${layer}`] = tensor(parts[2 * layer + 1] ?? none, batch, heads, room, headSize);
      feeds[`cross_key.${layer}`] = tensor(cross.keys[layer] ?? none, batch, heads, headSize, cross.room);
      feeds[`cross_value.${layer}`] = tensor(cross.values[layer] ?? none, batch, heads, cross.room, headSize);
    }
    return feeds;
  }
}

interface SelfState {
  slots: number;
  /** Positions a slot can hold. */
  room: number;
  /** Per layer key and value, [slots, heads, room, headSize]. */
  parts: Float32Array[];
  /** [slots, room + 1]; the last is the token of the step itself. */
  mask: Float32Array;
}

interface CrossState {
  slots: number;
  /** Frames a slot can hold. */
  room: number;
  /** Per layer, [slots, heads, headSize, room]. */
  keys: Float32Array[];
  /** Per layer, [slots, heads, room, headSize]. */
  values: Float32Array[];
  /** [slots, room] */
  mask: Float32Array;
}

/** Room for all and not so much that a step mostly reads padding. */
function fits({ slots, room }: CrossState, size: number, frames: number): boolean {
  return size <= slots && frames <= room && room <= 2 * frames + SHARED_FRAME_STEP;
}

function moveRow(array: Float32Array, rows: number, from: number, to: number): void {
  const length = array.length / rows;
  if (from !== to) array.copyWithin(to * length, from * length, (from + 1) * length);
}

function copyRows(
  source: Float32Array = new Float32Array(0),
  sourceRow: number,
  sourceLength: number,
  target: Float32Array,
  targetRow: number,
  targetLength: number,
  rows: number,
  length: number,
): void {
  for (let row = 0; row < rows; row++) {
    const start = (sourceRow + row) * sourceLength;
    target.set(source.subarray(start, start + length), (targetRow + row) * targetLength);
  }
}

function resized(array: BigInt64Array, length: number): BigInt64Array<ArrayBuffer> {
  const copy = new BigInt64Array(length);
  copy.set(array.subarray(0, Math.min(array.length, length)));
  return copy;
}
