import { type AffineMatrix, dequantize } from '../../../onnx/graph/affine-matrix.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph/builder.ts';
import { ELEMENT_TYPES } from '../../../onnx/graph/model-file.ts';
import { int8Product, roundRows, rowUnit } from '../../../onnx/graph/products.ts';
import type { Convolution, EncoderWeights } from './weights.ts';

/** How the second convolution is computed: `int8` in the shipped graph, `float` to compare. */
export type StemPrecision = 'int8' | 'float';

/**
 * Audio [rows, 64] to frames [frames, hidden]: the three convolutions as windows times matrices, time-major throughout.
 *
 * The one-group norm between the first two is moved behind the second: with x the squashed frames,
 * `conv((x - mean) / sigma * gain + offset) = (conv(x * gain) - mean * conv(gain)) / sigma + conv(offset)`,
 * which leaves the int8 weights of the file exact and gives the product an input that is bounded.
 */
export function buildStem(
  graph: GraphBuilder,
  audio: Value,
  weights: EncoderWeights,
  precision: StemPrecision,
): Value {
  const [first, second, third] = weights.convolutions;
  const { gain, offset } = weights.groupNorm;
  const squashed = graph.node('Tanh', [firstConvolution(graph, audio, first)]);
  const { mean, inverse } = groupStatistics(graph, squashed);

  const scaled = graph.multiply(squashed, graph.floats('group.gain', gain));
  const convolve = precision === 'int8' ? groupedConvolution : floatConvolution;
  const product = convolve(graph, 'conv2', scaled, second, inverse);
  const constant = add(channelSums(second, offset), weights.biases[0]);
  const drift = graph.multiply(
    graph.multiply(mean, inverse),
    graph.floats('conv2.gain', channelSums(second, gain)),
  );
  const shift = graph.node('Sub', [graph.floats('conv2.offset', constant), drift]);
  // A shift of one dimension would become a BiasGelu, which is slower than Add and Gelu.
  const middle = graph.fused('Gelu', [graph.add(product, graph.reshape(shift, 1, -1))]);

  // In floats: its input is heavy-tailed (peaks of 300 over an rms of 5), int8 costs words however it is scaled.
  const last = floatConvolution(graph, 'conv3', middle, third);
  return graph.fused('Gelu', [graph.add(last, graph.floats('conv3.bias', weights.biases[1]))]);
}

/** Rows of `stride` samples; a window is a row and the next one, its taps past the kernel are zero. */
function firstConvolution(graph: GraphBuilder, audio: Value, convolution: Convolution): Value {
  const { stride, outputs, kernel } = convolution;
  const taps = new Float32Array(2 * stride * outputs);
  taps.set(dequantize(tapMatrix(convolution, 0, kernel)));
  const windows = graph.concat([graph.slice(audio, 0, 0, -1), graph.slice(audio, 0, 1, END)], 1);
  return graph.node('MatMul', [windows, graph.floats('conv1', taps, [2 * stride, outputs])]);
}

/** Mean and inverse deviation of all elements, scalars. */
function groupStatistics(graph: GraphBuilder, value: Value): { mean: Value; inverse: Value } {
  const overAll = { attributes: { keepdims: 0 } };
  const mean = graph.node('ReduceMean', [value], overAll);
  const squares = graph.node('ReduceSumSquare', [value], overAll);
  const count = graph.node('Cast', [graph.node('Size', [value])], {
    attributes: { to: ELEMENT_TYPES.float32 },
  });
  const square = graph.node('Div', [squares, count]);
  const variance = graph.node('Sub', [square, graph.multiply(mean, mean)]);
  const deviation = graph.node('Sqrt', [graph.add(variance, graph.scalar(1e-5))]);
  return { mean, inverse: graph.node('Reciprocal', [deviation]) };
}

/**
 * Convolution of `value` [frames, inputs] in int8, times the scalar `factor`; every group of `stride` frames with its own scale: loud and quiet
 * moments of an utterance do not share one, which is what made int8 destroy the text. Error 0.3 % where one scale for
 * all made 10 %. Windows are never laid out: tap group g is the product of groups g, g + 1, ... with its own matrix.
 */
function groupedConvolution(
  graph: GraphBuilder,
  name: string,
  value: Value,
  convolution: Convolution,
  factor: Value,
): Value {
  const { kernel, stride, inputs } = convolution;
  const { groups, parts } = frameGroups(graph, value, convolution);
  const unit = rowUnit(graph, graph.node('Abs', [groups]));
  const rounded = roundRows(graph, groups, unit);
  const scaledUnit = graph.multiply(unit, factor);
  const products = parts.map(({ first, end }, part) => {
    const taps = Math.min(stride, kernel - part * stride);
    const rows = graph.slice(rounded, 0, first, end);
    const narrowed = taps < stride ? graph.slice(rows, 1, 0, taps * inputs) : rows;
    const matrix = tapMatrix(convolution, part * stride, part * stride + taps);
    const product = int8Product(graph, `${name}.${part}`, narrowed, matrix);
    return graph.multiply(product, graph.slice(scaledUnit, 0, first, end));
  });
  return products.reduce((sum, product) => graph.add(sum, product));
}

/** Convolution of `value` [frames, inputs] in floats, times the scalar `factor`, over windows laid out [frames', kernel * inputs]. */
function floatConvolution(
  graph: GraphBuilder,
  name: string,
  value: Value,
  convolution: Convolution,
  factor?: Value,
): Value {
  const { kernel, stride, inputs, outputs } = convolution;
  const { groups, parts } = frameGroups(graph, value, convolution);
  const windows = parts.map(({ first, end }, part) => {
    const taps = Math.min(stride, kernel - part * stride);
    const rows = graph.slice(groups, 0, first, end);
    return taps < stride ? graph.slice(rows, 1, 0, taps * inputs) : rows;
  });
  const matrix = graph.floats(name, dequantize(tapMatrix(convolution, 0, kernel)), [
    kernel * inputs,
    outputs,
  ]);
  const product = graph.node('MatMul', [graph.concat(windows, 1), matrix]);
  return factor ? graph.multiply(product, factor) : product;
}

/**
 * `value` [frames, inputs] as rows of `stride` frames, [frames' + parts - 1, stride * inputs]. Window i starts in row i
 * and covers `parts` rows; part p of all windows is the rows `first` to `end` (exclusive).
 */
function frameGroups(graph: GraphBuilder, value: Value, { kernel, stride, inputs }: Convolution) {
  const partCount = Math.ceil(kernel / stride);
  const frames = graph.slice(graph.node('Shape', [value]), 0, 0, 1);
  const steps = graph.node('Div', [
    graph.node('Sub', [frames, graph.integers(kernel)]),
    graph.integers(stride),
  ]);
  const count = graph.add(steps, graph.integers(partCount));
  const padded = graph.node('Pad', [value, graph.integers(0, 0, stride, 0)]);
  const length = graph.multiply(count, graph.integers(stride));
  const cut = graph.node('Slice', [padded, graph.integers(0), length, graph.integers(0)]);
  const parts = Array.from({ length: partCount }, (_, part) => ({
    first: part,
    end: part === partCount - 1 ? END : part - partCount + 1,
  }));
  return { groups: graph.reshape(cut, -1, stride * inputs), parts };
}

/** The taps `first` to `end` (exclusive) as a matrix [taps * inputs, outputs]. */
function tapMatrix(convolution: Convolution, first: number, end: number): AffineMatrix {
  const { inputs, outputs, kernel, values, scales, zeroPoint } = convolution;
  const rows = (end - first) * inputs;
  const matrix = new Int8Array(rows * outputs);
  for (let output = 0; output < outputs; output++) {
    for (let row = 0; row < rows; row++) {
      const input = row % inputs;
      const tap = first + Math.floor(row / inputs);
      matrix[row * outputs + output] = values[(output * inputs + input) * kernel + tap] ?? 0;
    }
  }
  return {
    rows,
    columns: outputs,
    values: matrix,
    scales,
    zeroPoints: new Int8Array(outputs).fill(zeroPoint),
  };
}

/** What the convolution answers to a constant input of one value a channel: [outputs]. */
function channelSums(convolution: Convolution, channels: Float32Array): Float32Array {
  const weights = dequantize(tapMatrix(convolution, 0, convolution.kernel));
  const sums = new Float32Array(convolution.outputs);
  weights.forEach((weight, i) => {
    const output = i % sums.length;
    const channel = Math.floor(i / sums.length) % channels.length;
    sums[output] = (sums[output] ?? 0) + weight * (channels[channel] ?? 0);
  });
  return sums;
}

const add = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value + (b[i] ?? 0));

/** An end past the last element. */
const END = 2 ** 31 - 1;
