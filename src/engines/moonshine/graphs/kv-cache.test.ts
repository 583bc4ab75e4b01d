import { describe, expect, it } from 'vitest';
import { type FeedData, KvCache } from './kv-cache.ts';
import type { EncodedSpeech } from './speech-memory.ts';

const shape = { layers: 2, heads: 2, headSize: 3, hidden: 6, vocabulary: 10 };

interface FakeTensor {
  data: FeedData;
  dims: number[];
}

const createCache = () => new KvCache<string, FakeTensor>(shape, (data, dims) => ({ data, dims }));

/** Speech whose states say `id + frame / 100 + element / 10000`; something else behind its last frame. */
function speech(id: number, frames: number): EncodedSpeech {
  const { hidden } = shape;
  const room = frames + 3;
  const unit = (id + frames / 100 + hidden / 10000) / 127;
  const states = Float32Array.from({ length: room * hidden }, (_, i) =>
    i < frames * hidden ? id + Math.floor(i / hidden) / 100 + (i % hidden) / 10000 : -50 * unit,
  );
  const steps = Int8Array.from(states, (value) => Math.round(value / unit));
  const turned = steps.map((_, i) => steps[(i % room) * hidden + Math.floor(i / room)] ?? 0);
  return { states, frames, rounded: { states: steps, turned, unit } };
}

/** What a step would return: every number names the slot's sequence and the step. */
function fresh(ids: readonly number[], step: number): Float32Array {
  const row = 2 * shape.layers * shape.hidden;
  return Float32Array.from(
    { length: ids.length * row },
    (_, i) => (ids[Math.floor(i / row)] ?? 0) * 1000 + step,
  );
}

/** The part of a feed that belongs to `slot`. */
function part(feed: FakeTensor | undefined, slot: number): number[] {
  const { data, dims } = feed ?? { data: new Float32Array(0), dims: [1] };
  const length = data.length / (dims[0] ?? 1);
  return Array.from(data.subarray(slot * length, (slot + 1) * length), Number);
}

/** The states of `slot` [room, hidden], and what rounding to 8 bits may have changed them by. */
function states(feeds: Record<string, FakeTensor>, slot: number): { values: number[]; tolerance: number } {
  const [unit = 0] = part(feeds.speech_unit, slot);
  return { values: part(feeds.speech, slot).map((value) => value * unit), tolerance: 0.5001 * unit };
}

function expectNear(actual: number | undefined, expected: number, tolerance: number): void {
  expect(Math.abs((actual ?? Number.NaN) - expected)).toBeLessThanOrEqual(tolerance);
}

const heard = (mask: readonly number[]) => mask.flatMap((value, i) => (value === 0 ? [i] : []));

describe('KvCache', () => {
  it('feeds a sequence alone', () => {
    const cache = createCache();
    cache.join('a', speech(1, 5), 1);
    const feeds = cache.feeds();
    expect(feeds.speech?.dims).toEqual([1, 96, 6]);
    const { values, tolerance } = states(feeds, 0);
    expect(tolerance).toBeLessThan(1.0405 / 250);
    for (let i = 0; i < 6; i++) expectNear(values[4 * 6 + i], 1.04 + i / 10000, tolerance);
    expect(values[5 * 6]).toBe(0);
    expect(part(feeds.token, 0)).toEqual([1]);
    expect(heard(part(feeds.cross_mask, 0))).toEqual([0, 1, 2, 3, 4]);
    expect(heard(part(feeds.self_mask, 0))).toEqual([(feeds['self_key.0']?.dims[2] ?? 0) + 0]);
  });

  it('pads sequences of different length and position side by side', () => {
    const cache = createCache();
    cache.join('a', speech(1, 5), 1);
    cache.advance(0, 7, fresh([1], 0));
    cache.join('b', speech(2, 140), 1);
    const feeds = cache.feeds();
    const room = feeds.cross_mask?.dims[2] ?? 0;
    expect(room).toBeGreaterThanOrEqual(140);
    expect(heard(part(feeds.cross_mask, 0)).length).toBe(5);
    expect(heard(part(feeds.cross_mask, 1)).length).toBe(140);
    expect([part(feeds.token, 0), part(feeds.token, 1)]).toEqual([[7], [1]]);
    expect([part(feeds.position, 0), part(feeds.position, 1)]).toEqual([[1], [0]]);
    expect(feeds.speech?.dims).toEqual([2, room, 6]);
    const [short, long] = [states(feeds, 0), states(feeds, 1)];
    expectNear(short.values[4 * 6], 1.04, short.tolerance);
    expect(short.values.slice(5 * 6).every((value) => value === 0)).toBe(true);
    expectNear(long.values[139 * 6], 3.39, long.tolerance);
    const positions = feeds['self_key.0']?.dims[2] ?? 0;
    expect(heard(part(feeds.self_mask, 0))).toEqual([0, positions]);
    expect(part(feeds['self_value.1'], 0).slice(0, 4)).toEqual([1000, 1000, 1000, 0]);
  });

  it('moves the last sequence into a slot that falls free', () => {
    const cache = createCache();
    for (const [id, key] of ['a', 'b', 'c'].entries()) cache.join(key, speech(id + 1, 10 + id), 1);
    const output = fresh([1, 2, 3], 0);
    for (const slot of [0, 1, 2]) cache.advance(slot, 5 + slot, output);
    cache.leave(0);
    expect(cache.keys).toEqual(['c', 'b']);
    const feeds = cache.feeds();
    expect(part(feeds.token, 0)).toEqual([7]);
    expect(heard(part(feeds.cross_mask, 0)).length).toBe(12);
    const moved = states(feeds, 0);
    expectNear(moved.values[0], 3, moved.tolerance);
    expect(part(feeds['self_key.0'], 0)[0]).toBe(3000);
    expect(part(feeds['self_key.0'], 1)[0]).toBe(2000);
    cache.leave(1);
    cache.leave(0);
    expect(cache.size).toBe(0);
    expect(() => cache.leave(0)).toThrow(RangeError);
  });

  it('gives room back when only short speech is left, and leaves nothing of the longer one in it', () => {
    const cache = createCache();
    cache.join('a', speech(1, 500), 1);
    cache.join('b', speech(2, 5), 1);
    cache.leave(0);
    cache.join('c', speech(3, 7), 1);
    const feeds = cache.feeds();
    expect(feeds.speech?.dims).toEqual([2, 96, 6]);
    for (const [slot, id] of [2, 3].entries()) {
      const { values, tolerance } = states(feeds, slot);
      expectNear(values[0], id, tolerance);
    }
    cache.leave(0);
    cache.join('d', speech(4, 3), 1);
    expect(
      part(cache.feeds().speech, 1)
        .slice(3 * 6)
        .every((value) => value === 0),
    ).toBe(true);
  });

  it('feeds the same states in both orders, whoever joined, left or made them move', () => {
    const cache = createCache();
    for (const [id, frames] of [100, 7, 300, 40].entries()) cache.join(String(id), speech(id + 1, frames), 1);
    cache.leave(1);
    const feeds = cache.feeds();
    const room = feeds.speech?.dims[1] ?? 0;
    expect(feeds.speech_turned?.dims).toEqual([3, 6, room]);
    for (const slot of [0, 1, 2]) {
      const [rows, columns] = [part(feeds.speech, slot), part(feeds.speech_turned, slot)];
      expect(columns).toEqual(columns.map((_, i) => rows[(i % room) * 6 + Math.floor(i / room)]));
    }
  });

  it('rounds speech of an encoder that did not, silence too', () => {
    const { rounded: _rounded, ...plain } = speech(1, 5);
    const cache = createCache();
    cache.join('a', plain, 1);
    cache.join('silence', { states: new Float32Array(5 * 6), frames: 5 }, 1);
    const { values, tolerance } = states(cache.feeds(), 0);
    for (let i = 0; i < 5 * 6; i++) expectNear(values[i], plain.states[i] ?? Number.NaN, tolerance);
    expect(states(cache.feeds(), 1).values.every((value) => value === 0)).toBe(true);
  });

  it('refuses speech of fewer frames than it says', () => {
    expect(() => createCache().join('a', { ...speech(1, 5), frames: 9 }, 1)).toThrow(RangeError);
  });

  it('keeps what was said when its room grows', () => {
    const cache = createCache();
    cache.join('a', speech(1, 5), 1);
    cache.join('b', speech(2, 5), 1);
    for (let step = 0; step < 70; step++) {
      const output = fresh([1, 2], step);
      cache.advance(0, step, output);
      if (step < 10) cache.advance(1, step, output);
    }
    const feeds = cache.feeds();
    const room = feeds['self_key.0']?.dims[2] ?? 0;
    expect(room).toBeGreaterThan(70);
    const keys = part(feeds['self_key.0'], 0);
    expect([0, 31, 32, 69].map((step) => keys[step * shape.headSize])).toEqual([1000, 1031, 1032, 1069]);
    expect(heard(part(feeds.self_mask, 0))).toEqual([...Array(70).keys(), room]);
    expect(heard(part(feeds.self_mask, 1))).toEqual([...Array(10).keys(), room]);
  });

  it('goes back to an earlier position and on with another token', () => {
    const straight = createCache();
    const winding = createCache();
    for (const cache of [straight, winding]) cache.join('a', speech(1, 5), 1);
    for (const step of [0, 1])
      for (const cache of [straight, winding]) cache.advance(0, 10 + step, fresh([1], step));
    for (const step of [2, 3]) winding.advance(0, 90 + step, fresh([9], step));
    winding.rewind(0, 2, 11);
    for (const name of ['token', 'position', 'self_mask'])
      expect(part(winding.feeds()[name], 0)).toEqual(part(straight.feeds()[name], 0));
    for (const cache of [straight, winding]) cache.advance(0, 12, fresh([1], 2));
    const mask = part(winding.feeds().self_mask, 0);
    expect(mask).toEqual(part(straight.feeds().self_mask, 0));
    expect(heard(mask).slice(0, 3)).toEqual([0, 1, 2]);
    expect(() => winding.rewind(0, 9, 1)).toThrow(RangeError);
  });
});
