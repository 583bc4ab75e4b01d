import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession } from '../session.ts';
import { float32Data, float32Tensor, makeTensor } from '../tensor.ts';
import { type AffineMatrix, dequantize, fromUnsigned, joinColumns, scaleMatrix } from './affine-matrix.ts';
import { GraphBuilder } from './builder.ts';
import {
  blockProduct,
  floatProduct,
  type Product,
  roundedProduct,
  rowProduct,
  tensorProduct,
} from './products.ts';

let directory = '';
let files = 0;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steno-products-'));
});
afterAll(() => rm(directory, { recursive: true }));

const ROWS = 96;
const COLUMNS = 24;

describe('products', () => {
  for (const [name, product, tolerance] of [
    ['floatProduct', floatProduct, 1e-5],
    ['blockProduct', blockProduct, 0.01],
    ['rowProduct', rowProduct, 0.015],
    ['tensorProduct', tensorProduct, 0.05],
  ] as const) {
    it(`${name} multiplies with the matrix and adds the bias within ${tolerance} of the largest result`, async () => {
      const { matrix, input, bias } = sample();
      const got = await run(product, matrix, input, bias);
      const expected = multiply(input, dequantize(matrix), bias);
      const largest = Math.max(...expected.map(Math.abs));
      expect(Math.max(...expected.map((value, i) => Math.abs(value - (got[i] ?? 0)))) / largest).toBeLessThan(
        tolerance,
      );
    });
  }

  for (const [name, product] of [
    ['blockProduct', blockProduct],
    ['rowProduct', rowProduct],
  ] as const) {
    it(`${name} gives a row the same result whatever its neighbours are`, async () => {
      const { matrix, input, bias } = sample();
      const together = await run(product, matrix, input, bias);
      const loud = input.map((value, i) => (i < ROWS ? value : value * 1000));
      const besideLoud = await run(product, matrix, loud, bias);
      const alone = await run(product, matrix, input.slice(0, ROWS), bias);
      for (let i = 0; i < COLUMNS; i++) {
        expect(besideLoud[i]).toBeCloseTo(together[i] ?? Number.NaN, 5);
        expect(alone[i]).toBeCloseTo(together[i] ?? Number.NaN, 5);
      }
    });
  }
});

describe('roundedProduct', () => {
  for (const negative of [true, false])
    it(`multiplies each sequence's rows, ${negative ? 'of any sign' : 'none negative'}, with its own matrix, whatever its neighbours are`, async () => {
      const { input } = sample();
      const rows = negative ? input : input.map(Math.abs);
      const matrices = Int8Array.from({ length: 3 * ROWS * COLUMNS }, (_, i) => 127 * Math.sin(i * i * 0.3));
      const units = Float32Array.of(0.01, 0.03, 0.02);
      const together = await runRounded(rows, matrices, units, negative);
      for (const [i, unit] of units.entries()) {
        const row = rows.slice(i * ROWS, (i + 1) * ROWS);
        const matrix = matrices.slice(i * ROWS * COLUMNS, (i + 1) * ROWS * COLUMNS);
        const alone = await runRounded(row, matrix, Float32Array.of(unit), negative);
        expect(alone).toEqual(together.slice(i * COLUMNS, (i + 1) * COLUMNS));
        const expected = multiply(
          row,
          Float32Array.from(matrix, (value) => value * unit),
          new Float32Array(COLUMNS),
        );
        const largest = Math.max(...expected.map(Math.abs));
        for (const [column, value] of expected.entries())
          expect(Math.abs((alone[column] ?? Number.NaN) - value) / largest).toBeLessThan(0.02);
      }
    });

  it('gives zeros for a silent row', async () => {
    const result = await runRounded(
      new Float32Array(ROWS),
      new Int8Array(ROWS * COLUMNS).fill(99),
      Float32Array.of(1),
      true,
    );
    expect([...result]).toEqual(Array(COLUMNS).fill(0));
  });
});

describe('AffineMatrix', () => {
  it('keeps every weight through joining and scaling', () => {
    const left = fromUnsigned(Uint8Array.of(0, 128, 255, 7), 2, 0.5, 130);
    const right = fromUnsigned(Uint8Array.of(10, 20), 1, 0.25, 10);
    expect([...dequantize(left)]).toEqual([-65, -1, 62.5, -61.5]);
    expect([...dequantize(joinColumns([left, right]))]).toEqual([-65, -1, 0, 62.5, -61.5, 2.5]);
    expect([...dequantize(scaleMatrix(left, 2))]).toEqual([-130, -2, 125, -123]);
  });
});

/** Three rows of very different size, and a matrix with another scale and zero point in each half. */
function sample() {
  const wave = (length: number, step: number) =>
    Float32Array.from({ length }, (_, i) => Math.sin(i * i * step + i));
  const bytes = (step: number) =>
    Uint8Array.from(wave((ROWS * COLUMNS) / 2, step), (value) => 128 + 127 * value);
  const matrix = joinColumns([
    fromUnsigned(bytes(0.3), COLUMNS / 2, 0.01, 120),
    fromUnsigned(bytes(0.7), COLUMNS / 2, 0.02, 141),
  ]);
  const input = wave(3 * ROWS, 0.11).map((value, i) => value * (1 - 0.3 * Math.floor(i / ROWS)));
  return { matrix, input, bias: wave(COLUMNS, 0.5) };
}

async function run(product: Product, matrix: AffineMatrix, input: Float32Array, bias: Float32Array) {
  const graph = new GraphBuilder('product');
  const x = graph.input('x', 'float32', ['n', ROWS]);
  graph.node('Identity', [product(graph, 'weights', x, matrix, bias)], { outputs: ['y'] });
  graph.output('y', 'float32', ['n', COLUMNS]);
  const path = join(directory, `${++files}.onnx`);
  await writeFile(path, graph.build());
  const session = await openSession(path);
  const outputs = await session.run({ x: float32Tensor(input, [input.length / ROWS, ROWS]) });
  await session.release();
  return float32Data(outputs, 'y');
}

/** One row a sequence. */
async function runRounded(rows: Float32Array, matrices: Int8Array, units: Float32Array, negative: boolean) {
  const batch = units.length;
  const graph = new GraphBuilder('rounded');
  const inputs = [
    graph.input('rows', 'float32', ['batch', 1, ROWS]),
    graph.input('matrices', 'int8', ['batch', ROWS, COLUMNS]),
    graph.input('unit', 'float32', ['batch', 1, 1]),
  ] as const;
  graph.node('Identity', [roundedProduct(graph, ...inputs, { negative })], { outputs: ['y'] });
  graph.output('y', 'float32', ['batch', 1, COLUMNS]);
  const session = await openSession(graph.build());
  const outputs = await session.run({
    rows: float32Tensor(rows, [batch, 1, ROWS]),
    matrices: makeTensor(matrices, [batch, ROWS, COLUMNS]),
    unit: float32Tensor(units, [batch, 1, 1]),
  });
  await session.release();
  return float32Data(outputs, 'y');
}

function multiply(input: Float32Array, weights: Float32Array, bias: Float32Array): number[] {
  return Array.from({ length: (input.length / ROWS) * COLUMNS }, (_, i) => {
    const [row, column] = [Math.floor(i / COLUMNS), i % COLUMNS];
    let sum = bias[column] ?? 0;
    for (let k = 0; k < ROWS; k++) sum += (input[row * ROWS + k] ?? 0) * (weights[k * COLUMNS + column] ?? 0);
    return sum;
  });
}
