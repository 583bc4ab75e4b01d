import { describe, expect, it } from 'vitest';
import { SoundBuffers } from './sound-buffers.ts';

describe('SoundBuffers', () => {
  it('gives tasks that run together places of their own, of the length asked for', () => {
    const sounds = new SoundBuffers();
    const [first, second] = [sounds.take(1000).samples, sounds.take(70_000).samples];
    expect([first.length, second.length]).toEqual([1000, 70_000]);
    expect(first.buffer).not.toBe(second.buffer);
  });

  it('gives the place of a task that is done to the next one that fits, and to one only, however often it was given back', () => {
    const sounds = new SoundBuffers();
    const done = sounds.take(5000);
    done.release();
    done.release();
    expect(sounds.take(60_000).samples.buffer).toBe(done.samples.buffer);
    expect(sounds.take(60_000).samples.buffer).not.toBe(done.samples.buffer);
  });

  it('does not take the place from its next task when the one before gives it back once more', () => {
    const sounds = new SoundBuffers();
    const first = sounds.take(1000);
    first.release();
    const second = sounds.take(1000);
    first.release();
    expect(sounds.take(1000).samples.buffer).not.toBe(second.samples.buffer);
  });

  it('keeps no place that is too short beside the longer one made instead', () => {
    const sounds = new SoundBuffers();
    const short = sounds.take(1000);
    short.release();
    const long = sounds.take(100_000);
    long.release();
    expect(sounds.take(10).samples.buffer).toBe(long.samples.buffer);
    expect(sounds.take(10).samples.buffer).not.toBe(short.samples.buffer);
  });

  it('has room for no sound at all', () => {
    expect(new SoundBuffers().take(0).samples.length).toBe(0);
  });
});
