import { describe, expect, it } from 'vitest';
import { openSession } from '../session.ts';
import { float32Data, float32Tensor, int64Data } from '../tensor.ts';
import { GraphBuilder } from './builder.ts';
import { largestOf } from './largest.ts';

async function find(rows: readonly Float32Array[]) {
  const length = rows[0]?.length ?? 0;
  const graph = new GraphBuilder('largest');
  const { largest, index } = largestOf(graph, graph.input('x', 'float32', ['batch', length]), length);
  graph.node('Identity', [largest], { outputs: ['largest'] });
  graph.output('largest', 'float32', ['batch', 1]);
  graph.node('Identity', [index], { outputs: ['index'] });
  graph.output('index', 'int64', ['batch', 1]);
  const session = await openSession(graph.build());
  const all = Float32Array.from(rows.flatMap((row) => [...row]));
  const outputs = await session.run({ x: float32Tensor(all, [rows.length, length]) });
  await session.release();
  return {
    largest: [...float32Data(outputs, 'largest')],
    index: [...int64Data(outputs, 'index')].map(Number),
  };
}

describe('largestOf', () => {
  for (const length of [16, 48, 1000, 32_768, 33])
    it(`finds the largest of ${length}, wherever it is`, async () => {
      const places = [0, 1, Math.floor(length / 16), Math.floor(length / 2), length - 2, length - 1];
      const rows = places.map((place) =>
        Float32Array.from({ length }, (_, i) => (i === place ? 0.75 : Math.sin(i * i) - 1)),
      );
      expect(await find(rows)).toEqual({ largest: places.map(() => 0.75), index: places });
    });

  it('finds it among negative numbers and in each row by itself', async () => {
    const rows = [3, 40].map((place) =>
      Float32Array.from({ length: 64 }, (_, i) => (i === place ? -5 : -9 - i)),
    );
    const loud = new Float32Array(64).fill(1000, 7, 8);
    expect((await find([...rows, loud])).index).toEqual([3, 40, 7]);
  });

  it('names one of equals, alone as in a batch', async () => {
    const row = new Float32Array(64).fill(0.5);
    const other = new Float32Array(64).fill(1, 20, 40);
    const together = (await find([row, other])).index;
    expect(together).toEqual([...(await find([row])).index, ...(await find([other])).index]);
    expect(other[together[1] ?? 0]).toBe(1);
  });
});
