/**
 * A weight matrix in 8 bits: element (row, column) is `scales[column] * (values[row, column] - zeroPoints[column])`.
 * The layout of ONNX's quantised products: row-major [rows, columns], rows are summed over.
 */
export interface AffineMatrix {
  rows: number;
  columns: number;
  values: Int8Array;
  scales: Float32Array;
  zeroPoints: Int8Array;
}

/** A file's uint8 matrix with one scale and zero point; exact. */
export function fromUnsigned(
  values: Uint8Array,
  columns: number,
  scale: number,
  zeroPoint: number,
): AffineMatrix {
  const signed = new Int8Array(values.length);
  for (let i = 0; i < values.length; i++) signed[i] = at(values, i) - 128;
  return {
    rows: values.length / columns,
    columns,
    values: signed,
    scales: new Float32Array(columns).fill(scale),
    zeroPoints: new Int8Array(columns).fill(zeroPoint - 128),
  };
}

/** A float matrix rounded to 8 bits, each column to its own largest element: off by 0.4 % of that at most. */
export function fromFloats(floats: Float32Array, columns: number): AffineMatrix {
  const largest = new Float32Array(columns);
  for (let i = 0; i < floats.length; i++)
    largest[i % columns] = Math.max(at(largest, i % columns), Math.abs(at(floats, i)));
  // Never zero: an empty column would divide 0 by 0.
  const scales = largest.map((value) => value / 127 || 1);
  return {
    rows: floats.length / columns,
    columns,
    values: Int8Array.from(floats, (value, i) => Math.round(value / at(scales, i % columns))),
    scales,
    zeroPoints: new Int8Array(columns),
  };
}

/** The float matrix [rows, columns]. */
export function dequantize(matrix: AffineMatrix): Float32Array {
  const { rows, columns, values, scales, zeroPoints } = matrix;
  const floats = new Float32Array(rows * columns);
  for (let i = 0; i < floats.length; i++) {
    const column = i % columns;
    floats[i] = at(scales, column) * (at(values, i) - at(zeroPoints, column));
  }
  return floats;
}

/** Matrices over the same rows side by side, so that one product serves them all. */
export function joinColumns(matrices: readonly AffineMatrix[]): AffineMatrix {
  const rows = matrices[0]?.rows ?? 0;
  const columns = matrices.reduce((sum, matrix) => sum + matrix.columns, 0);
  const joined: AffineMatrix = {
    rows,
    columns,
    values: new Int8Array(rows * columns),
    scales: new Float32Array(columns),
    zeroPoints: new Int8Array(columns),
  };
  let first = 0;
  for (const matrix of matrices) {
    joined.scales.set(matrix.scales, first);
    joined.zeroPoints.set(matrix.zeroPoints, first);
    for (let row = 0; row < rows; row++) {
      const source = matrix.values.subarray(row * matrix.columns, (row + 1) * matrix.columns);
      joined.values.set(source, row * columns + first);
    }
    first += matrix.columns;
  }
  return joined;
}

/** The matrix times a number; exact, because only the scales change. */
export function scaleMatrix(matrix: AffineMatrix, factor: number): AffineMatrix {
  return { ...matrix, scales: matrix.scales.map((scale) => scale * factor) };
}

const at = (array: ArrayLike<number>, index: number): number => array[index] ?? 0;
