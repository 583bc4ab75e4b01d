import { type AffineMatrix, dequantize } from './affine-matrix.ts';
import type { GraphBuilder, Value } from './builder.ts';
import { bytesOf } from './model-file.ts';

/** Multiplies `input` [..., rows] with a constant matrix to [..., columns]. */
export type Product = (
  graph: GraphBuilder,
  name: string,
  input: Value,
  matrix: AffineMatrix,
  bias?: Float32Array,
) => Value;

/**
 * Int8 product whose input is quantised over the whole tensor: the fastest by far for many rows (it runs at the
 * processor's int8 peak), and the stock models' own arithmetic. Rows share a scale, so a batch of strangers must not use it.
 */
export const tensorProduct: Product = (graph, name, input, matrix, bias) => {
  const { values, scales, zeroPoints } = int8Constants(graph, name, matrix);
  const offset = bias ? [graph.floats(`${name}.bias`, bias)] : [];
  return graph.fused('DynamicQuantizeMatMul', [input, values, scales, zeroPoints, ...offset]);
};

/** Int8 product of a matrix [n, rows] whose rows are each scaled to their own largest element; a few more small nodes. */
export const rowProduct: Product = (graph, name, input, matrix, bias) => {
  const unit = rowUnit(graph, graph.node('Abs', [input]));
  const product = graph.multiply(int8Product(graph, name, roundRows(graph, input, unit), matrix), unit);
  // As a row [1, columns]: a bias of one dimension would be fused with a GELU behind it, and BiasGelu is slower than Add and Gelu.
  return bias ? graph.add(product, graph.floats(`${name}.bias`, bias, [1, bias.length])) : product;
};

/**
 * Int8 product whose input is quantised row by row in blocks of 32: rows never touch each other, and it is finer than
 * one scale a row. As fast as the others for a few rows, three times slower for hundreds.
 */
export const blockProduct: Product = (graph, name, input, matrix, bias) => {
  const { rows, columns } = matrix;
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  const values = new Uint8Array(columns * blocks * BLOCK_ROWS);
  const scales = new Float32Array(columns * blocks);
  const zeroPoints = new Uint8Array(columns * blocks);
  for (let column = 0; column < columns; column++) {
    const first = column * blocks;
    scales.fill(matrix.scales[column] ?? 0, first, first + blocks);
    zeroPoints.fill((matrix.zeroPoints[column] ?? 0) + 128, first, first + blocks);
    for (let row = 0; row < rows; row++) {
      values[first * BLOCK_ROWS + row] = (matrix.values[row * columns + column] ?? 0) + 128;
    }
  }
  const inputs = [
    input,
    graph.constant(`${name}.uint8`, { type: 'uint8', dims: [columns, blocks, BLOCK_ROWS], bytes: values }),
    graph.floats(`${name}.scales`, scales),
    graph.constant(`${name}.zero`, { type: 'uint8', dims: [zeroPoints.length], bytes: zeroPoints }),
  ];
  if (bias) inputs.push('', graph.floats(`${name}.bias`, bias));
  // accuracy_level 4: int8 arithmetic
  const attributes = { K: rows, N: columns, bits: 8, block_size: BLOCK_ROWS, accuracy_level: 4 };
  return graph.fused('MatMulNBits', inputs, { attributes });
};

/** 288 = 9 x 32: larger blocks would pad the rows of Moonshine tiny; 128 for the 1152 rows of its MLP gained nothing. */
const BLOCK_ROWS = 32;

/** The product in floats, for tests and studies. */
export const floatProduct: Product = (graph, name, input, matrix, bias) => {
  const weights = graph.floats(`${name}.f32`, dequantize(matrix), [matrix.rows, matrix.columns]);
  const product = graph.node('MatMul', [input, weights]);
  return bias ? graph.add(product, graph.floats(`${name}.bias`, bias)) : product;
};

/** Product of uint8 rows with zero point 128 and unit scale. */
export function int8Product(graph: GraphBuilder, name: string, rounded: Value, matrix: AffineMatrix): Value {
  const { values, scales, zeroPoints } = int8Constants(graph, name, matrix);
  const inputs = [rounded, values, graph.scalar(1), scales, unsignedZero(graph), zeroPoints];
  return graph.fused('MatMulIntegerToFloat', inputs);
}

/** What one step of uint8 stands for in each row of `magnitudes` [n, rows], the largest of which is kept: [n, 1]. */
export function rowUnit(graph: GraphBuilder, magnitudes: Value): Value {
  const largest = graph.node('ReduceMax', [magnitudes], { attributes: { axes: [-1], keepdims: 1 } });
  // Never zero: a silent row would divide 0 by 0.
  return graph.add(graph.multiply(largest, graph.scalar(1 / 127)), graph.scalar(1e-12));
}

/** `input` [n, rows] as uint8 with zero point 128, one step of row i being `unit` i. */
export function roundRows(graph: GraphBuilder, input: Value, unit: Value): Value {
  const units = graph.reshape(unit, -1);
  const zeros = graph.node('Expand', [unsignedZero(graph), graph.node('Shape', [units])]);
  return graph.node('QuantizeLinear', [input, units, zeros], { attributes: { axis: 0 } });
}

/**
 * Product of float rows [..., n, k] with int8 matrices [..., k, m] that the graph is given, one step of which is `unit` (it broadcasts over
 * the result). Each row is rounded to 127 steps of its own largest element; `negative` says whether it has elements below zero.
 */
export function roundedProduct(
  graph: GraphBuilder,
  rows: Value,
  matrices: Value,
  unit: Value,
  { negative }: { negative: boolean },
): Value {
  const magnitudes = negative ? graph.node('Abs', [rows]) : rows;
  const most = graph.node('ReduceMax', [magnitudes], { attributes: { axes: [-1], keepdims: 1 } });
  // Never zero: a silent row would divide 0 by 0.
  const largest = graph.add(most, graph.scalar(1e-12));
  const rowZero = negative
    ? unsignedZero(graph)
    : graph.constant('uint8(0)', { type: 'uint8', dims: [], bytes: new Uint8Array(1) });
  const matrixZero = graph.constant('int8(0)', { type: 'int8', dims: [], bytes: new Uint8Array(1) });
  const step = graph.scalar(1 / 127);
  const rounded = graph.node('QuantizeLinear', [graph.node('Div', [rows, largest]), step, rowZero]);
  const inputs = [rounded, matrices, step, graph.scalar(1), rowZero, matrixZero];
  return graph.multiply(graph.fused('MatMulIntegerToFloat', inputs), graph.multiply(largest, unit));
}

/** The uint8 that stands for zero. */
function unsignedZero(graph: GraphBuilder): Value {
  return graph.constant('uint8(128)', { type: 'uint8', dims: [], bytes: Uint8Array.of(128) });
}

function int8Constants(graph: GraphBuilder, name: string, matrix: AffineMatrix) {
  const { rows, columns } = matrix;
  return {
    values: graph.constant(`${name}.int8`, {
      type: 'int8',
      dims: [rows, columns],
      bytes: bytesOf(matrix.values),
    }),
    scales: graph.floats(`${name}.scales`, matrix.scales),
    zeroPoints: graph.constant(`${name}.zero`, {
      type: 'int8',
      dims: [columns],
      bytes: bytesOf(matrix.zeroPoints),
    }),
  };
}
