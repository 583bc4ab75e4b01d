import { describe, expect, it } from 'vitest';
import { DecodeProgress } from './decode-progress.ts';

async function collect(progress: AsyncIterable<number>): Promise<number[]> {
  const counts: number[] = [];
  for await (const count of progress) counts.push(count);
  return counts;
}

describe('DecodeProgress', () => {
  it('gives each reader increasing counts, coalesced, and then ends', async () => {
    const progress = new DecodeProgress();
    const readers = [collect(progress), collect(progress)];
    await Promise.resolve();
    progress.publish(10);
    progress.publish(5);
    progress.publish(20);
    await new Promise(setImmediate);
    progress.publish(30);
    progress.end();
    progress.publish(40);
    expect(await Promise.all(readers)).toEqual([
      [20, 30],
      [20, 30],
    ]);
    expect(await collect(progress)).toEqual([30]);
  });

  it('throws the failure to all who read, now or later', async () => {
    const progress = new DecodeProgress();
    const reader = collect(progress);
    progress.fail(new Error('broken'));
    await expect(reader).rejects.toThrow('broken');
    await expect(collect(progress)).rejects.toThrow('broken');
  });

  it('waits for a count, and stops waiting at the end', async () => {
    const progress = new DecodeProgress();
    const reached = progress.reached(100);
    progress.publish(150);
    await reached;
    const never = progress.reached(1_000);
    progress.end();
    await never;
    expect(progress.samples).toBe(150);
  });
});
