import { SelfAttentionCache } from './self-attention-cache.ts';
import type { MoonshineShape } from './shape.ts';
import { type EncodedSpeech, SpeechMemory } from './speech-memory.ts';

export type FeedData = Float32Array | Int8Array | BigInt64Array;

/**
 * State of the sequences that decode together, in the layout the decoder step reads without copying. Sequences join and
 * leave between steps; slots run from 0 to `size - 1`, and the last sequence moves into a slot that falls free.
 * A tensor is made again only when its shape changes.
 */
export class KvCache<Key, Tensor> {
  readonly #shape: MoonshineShape;
  readonly #makeTensor: (data: FeedData, dims: number[]) => Tensor;
  readonly #keys: Key[] = [];
  readonly #self: SelfAttentionCache;
  readonly #speech: SpeechMemory;
  #token = new BigInt64Array(1);
  #position = new BigInt64Array(1);
  #feeds: { readonly selfRoom: number; readonly tensors: Record<string, Tensor> } | undefined;

  /** `makeTensor` wraps an array and its dims for the runtime: int64 for a BigInt64Array, int8 for an Int8Array, else float32. */
  constructor(shape: MoonshineShape, makeTensor: (data: FeedData, dims: number[]) => Tensor) {
    this.#shape = shape;
    this.#makeTensor = makeTensor;
    this.#self = new SelfAttentionCache(shape);
    this.#speech = new SpeechMemory(shape.hidden);
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
    return this.#self.positionOf(slot);
  }

  /** Adds a sequence that begins with `token` (the start token) in the last slot. */
  join(key: Key, speech: EncodedSpeech, token: number): void {
    this.#speech.join(speech);
    this.#self.join();
    this.#keys.push(key);
    this.#token = withRoom(this.#token, this.size);
    this.#position = withRoom(this.#position, this.size);
    this.#setNext(this.size - 1, token);
    this.#feeds = undefined;
  }

  /** Inputs of the next step, `size` sequences in slot order. Use them before the cache changes again. */
  feeds(): Record<string, Tensor> {
    if (this.#feeds?.selfRoom !== this.#self.room)
      this.#feeds = { selfRoom: this.#self.room, tensors: this.#makeFeeds() };
    return this.#feeds.tensors;
  }

  /** After a step: keeps what the token of `slot` added (`fresh` is the whole batch's output) and sets the next token. */
  advance(slot: number, token: number, fresh: Float32Array): void {
    this.#self.advance(slot, fresh);
    this.#setNext(slot, token);
  }

  /** Takes `slot` back to when it had `position` tokens behind it, to go on from there with another `token`. */
  rewind(slot: number, position: number, token: number): void {
    this.#self.rewind(slot, position);
    this.#setNext(slot, token);
  }

  /** Removes the sequence in `slot`; the one in the last slot takes its place. */
  leave(slot: number): void {
    const last = this.size - 1;
    if (!(slot >= 0 && slot <= last))
      throw new RangeError(`no sequence in slot ${slot}, the cache holds ${this.size}`);
    this.#self.leave(slot);
    this.#speech.leave(slot);
    for (const array of [this.#token, this.#position]) array[slot] = array[last] ?? 0n;
    const moved = this.#keys.pop();
    if (slot < last && moved !== undefined) this.#keys[slot] = moved;
    this.#feeds = undefined;
  }

  #setNext(slot: number, token: number): void {
    this.#token[slot] = BigInt(token);
    this.#position[slot] = BigInt(this.positionOf(slot));
  }

  #makeFeeds(): Record<string, Tensor> {
    const { heads, headSize, hidden } = this.#shape;
    const batch = this.size;
    const { room, mask, parts } = this.#self;
    const speech = this.#speech;
    const tensor = (data: FeedData, ...dims: number[]): Tensor => {
      const length = dims.reduce((product, size) => product * size, 1);
      return this.#makeTensor(data.subarray(0, length), dims);
    };
    const feeds: Record<string, Tensor> = {
      token: tensor(this.#token, batch, 1),
      position: tensor(this.#position, batch, 1),
      self_mask: tensor(mask, batch, 1, 1, room + 1),
      speech: tensor(speech.states, batch, speech.room, hidden),
      speech_turned: tensor(speech.turned, batch, hidden, speech.room),
      speech_unit: tensor(speech.units, batch, 1, 1),
      cross_mask: tensor(speech.mask, batch, 1, speech.room),
    };
    for (const [index, part] of parts.entries()) {
      const side = index % 2 === 0 ? 'key' : 'value';
      feeds[`self_${side}.${Math.floor(index / 2)}`] = tensor(part, batch, heads, room, headSize);
    }
    return feeds;
  }
}

function withRoom(array: BigInt64Array<ArrayBuffer>, size: number): BigInt64Array<ArrayBuffer> {
  if (size <= array.length) return array;
  const larger = new BigInt64Array(2 * size);
  larger.set(array);
  return larger;
}
