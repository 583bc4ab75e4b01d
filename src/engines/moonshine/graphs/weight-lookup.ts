import { type AffineMatrix, fromFloats, fromUnsigned } from '../../../onnx/graph/affine-matrix.ts';
import {
  type Graph,
  type GraphNode,
  ModelFileError,
  type TensorData,
} from '../../../onnx/graph/model-file.ts';
import type { AttentionWeights, Convolution } from './weights.ts';

/**
 * Finds weights in a publisher's file. Two kinds of files have the same names but for a suffix: in 8 bits (by ONNX Runtime's dynamic
 * quantisation) and in floats, whose products and convolutions are rounded to 8 bits here, with a scale for each column.
 */
export function createLookup(root: Graph) {
  const nodes = new Map<string, GraphNode>();
  const initializers = new Map<string, TensorData>();
  collect(root, nodes, initializers);

  const tensor = (name: string): TensorData => {
    const found = initializers.get(name);
    if (!found)
      throw new ModelFileError(
        `the file holds no weight "${name}"; it is not a Moonshine model this version knows`,
      );
    return found;
  };
  const node = (name: string): GraphNode => {
    const found = nodes.get(name);
    if (!found)
      throw new ModelFileError(
        `the file holds no node "${name}"; it is not a Moonshine model this version knows`,
      );
    return found;
  };
  const inputOf = (name: string, input: number): string => node(name).inputs[input] ?? '';
  const floats = (name: string): Float32Array => {
    const { type, bytes } = tensor(name);
    if (type !== 'float32')
      throw new ModelFileError(
        `the weight "${name}" is of type ${type}, expected float32; half floats are not read`,
      );
    return new Float32Array(bytes.slice().buffer);
  };
  const number = (name: string): number => {
    const found = tensor(name);
    return (found.type === 'float32' ? floats(name)[0] : found.bytes[0]) ?? 0;
  };
  /** Products are `MatMulInteger(input, weight, input zero point, weight zero point)` with the scale beside the weight, or `MatMul`. */
  const matrix = (name: string): AffineMatrix => {
    if (nodes.has(`${name}/MatMul`)) {
      const weight = inputOf(`${name}/MatMul`, 1);
      return fromFloats(floats(weight), tensor(weight).dims[1] ?? 0);
    }
    const { inputs } = node(`${name}/MatMul_quant`);
    const weight = inputs[1] ?? '';
    const { bytes, dims } = tensor(weight);
    const scale = number(weight.replace(/_quantized$/, '_scale'));
    return fromUnsigned(bytes, dims[1] ?? 0, scale, number(inputs[3] ?? ''));
  };
  const embedding = (name: string) => {
    if (initializers.has(name)) {
      const [vocabulary = 0, hidden = 0] = tensor(name).dims;
      const rounded = fromFloats(transposed(floats(name), vocabulary, hidden), vocabulary);
      const rows = transposed(rounded.values, hidden, vocabulary);
      const values = Uint8Array.from(rows, (value) => value + 128);
      return { vocabulary, hidden, values, scales: rounded.scales, zeroPoint: 128 };
    }
    const { dims, bytes } = tensor(`${name}_quantized`);
    const [vocabulary = 0, hidden = 0] = dims;
    const scales = new Float32Array(vocabulary).fill(number(`${name}_scale`));
    return { vocabulary, hidden, values: bytes, scales, zeroPoint: number(`${name}_zero_point`) };
  };
  /** In 8 bits convolutions are stored int8 and restored as `values * scale + offset` (the file calls the offset zero point). */
  const convolution = (name: string): Convolution => {
    const strides = node(`/${name}/Conv`).attributes.get('strides');
    const stride = Array.isArray(strides) ? Number(strides[0]) : 1;
    if (initializers.has(`${name}.weight`)) {
      const { dims } = tensor(`${name}.weight`);
      const [outputs = 0, inputs = 0, kernel = 0] = dims;
      const columns = transposed(floats(`${name}.weight`), outputs, inputs * kernel);
      const { values, scales } = fromFloats(columns, outputs);
      const rows = transposed(values, inputs * kernel, outputs);
      return { values: rows, scales, zeroPoint: 0, outputs, inputs, kernel, stride };
    }
    const { bytes, dims } = tensor(`${name}.weight_quantized`);
    const [outputs = 0, inputs = 0, kernel = 0] = dims;
    const scale = number(`${name}.weight_scale`);
    const zeroPoint = Math.round(-number(`${name}.weight_zero_point`) / scale);
    const scales = new Float32Array(outputs).fill(scale);
    return {
      values: new Int8Array(bytes.slice().buffer),
      scales,
      zeroPoint,
      outputs,
      inputs,
      kernel,
      stride,
    };
  };
  const attention = (name: string): AttentionWeights => ({
    query: matrix(`${name}/q_proj`),
    key: matrix(`${name}/k_proj`),
    value: matrix(`${name}/v_proj`),
    output: matrix(`${name}/dense`),
  });
  const layers = (prefix: string): number[] => {
    const numbers = [...nodes.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => Number.parseInt(name.slice(prefix.length), 10));
    if (numbers.length === 0)
      throw new ModelFileError(
        `the file holds no node "${prefix}0..."; it is not a Moonshine model this version knows`,
      );
    return [...new Set(numbers)].sort((a, b) => a - b);
  };
  return { inputOf, floats, matrix, embedding, convolution, attention, layers };
}

/** Nodes and constants of a graph and of the branches inside it, by name. */
function collect(graph: Graph, nodes: Map<string, GraphNode>, initializers: Map<string, TensorData>): void {
  for (const [name, data] of graph.initializers) initializers.set(name, data);
  for (const node of graph.nodes) {
    if (!nodes.has(node.name)) nodes.set(node.name, node);
    for (const attribute of node.attributes.values()) {
      if (typeof attribute === 'object' && 'graph' in attribute)
        collect(attribute.graph, nodes, initializers);
    }
  }
}

/** [rows, columns] to [columns, rows]. */
function transposed<Data extends Float32Array | Int8Array>(data: Data, rows: number, columns: number): Data {
  const turned = data.slice() as Data;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = data[row * columns + column] ?? 0;
  return turned;
}
