import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession } from '../session.ts';
import { float32Data, float32Tensor } from '../tensor.ts';
import type { AffineMatrix } from './affine-matrix.ts';
import { GraphBuilder } from './builder.ts';
import { writeMappedGraph } from './mapped-graph.ts';
import { blockProduct, floatProduct, type Product, rowProduct, tensorProduct } from './products.ts';

const SIZE = 64;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-mapped-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function graphWith(product: Product): Uint8Array {
  const graph = new GraphBuilder('sample');
  const values = Int8Array.from({ length: SIZE * SIZE }, (_, i) => ((i * 37) % 251) - 125);
  const matrix: AffineMatrix = {
    rows: SIZE,
    columns: SIZE,
    values,
    scales: new Float32Array(SIZE).fill(0.01),
    zeroPoints: new Int8Array(SIZE).fill(3),
  };
  const input = graph.input('input', 'float32', ['rows', SIZE]);
  graph.node('Identity', [product(graph, 'weight', input, matrix)], { outputs: ['output'] });
  graph.output('output', 'float32', ['rows', SIZE]);
  return graph.build();
}

async function run(model: string | Uint8Array): Promise<Float32Array> {
  const session = await openSession(model);
  const data = Float32Array.from({ length: 5 * SIZE }, (_, i) => Math.sin(i));
  const output = float32Data(await session.run({ input: float32Tensor(data, [5, SIZE]) }), 'output');
  await session.release();
  return output;
}

describe('writeMappedGraph', () => {
  for (const [name, product] of Object.entries({ blockProduct, floatProduct, rowProduct, tensorProduct }))
    it(`keeps every bit of what ${name} computes`, async () => {
      const graph = graphWith(product);
      const path = await writeMappedGraph(graph, folder, name);
      expect(await run(path)).toEqual(await run(graph));
    });

  it('keeps weights outside of the graph, with the packed copies of those that come back whole', async () => {
    const packed = await writeMappedGraph(graphWith(floatProduct), folder, 'packed');
    const plain = await writeMappedGraph(graphWith(blockProduct), folder, 'plain');
    expect((await stat(packed)).size).toBeLessThan(2000);
    expect((await stat(join(folder, 'packed.data'))).size).toBeGreaterThanOrEqual(2 * 4 * SIZE * SIZE);
    expect(await readFile(packed, 'latin1')).toContain('prepacked');
    expect(await readFile(plain, 'latin1')).not.toContain('prepacked_');
  });

  it('notices packed copies that do not fit, and packs anew', async () => {
    const graph = graphWith(floatProduct);
    const path = await writeMappedGraph(graph, folder, 'foreign');
    const file = await readFile(path);
    // The name of a packed copy holds a hash of it: another one stands for a copy that another processor's kernel made.
    const at = file.indexOf('prepacked');
    const digit = file.indexOf('+', at) + 1;
    expect(digit).toBeGreaterThan(at);
    file[digit] = file[digit] === 0x31 ? 0x32 : 0x31;
    await writeFile(path, file);
    expect(await run(path)).toEqual(await run(graph));
  });
});
