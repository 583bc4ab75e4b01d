import { type AffineMatrix, fromUnsigned } from '../../../onnx/graph/affine-matrix.ts';
import type { Graph, GraphNode, TensorData } from '../../../onnx/graph/model-file.ts';
import { ModelFileError } from '../../../onnx/graph/model-file.ts';

/** A convolution over time in 8 bits: weight [outputs, inputs, kernel] = `scale * (values - zeroPoint)`. */
export interface Convolution {
  values: Int8Array;
  scale: number;
  zeroPoint: number;
  outputs: number;
  inputs: number;
  kernel: number;
  stride: number;
}

export interface AttentionWeights {
  query: AffineMatrix;
  key: AffineMatrix;
  value: AffineMatrix;
  output: AffineMatrix;
}

export interface EncoderLayerWeights {
  attentionNorm: Float32Array;
  attention: AttentionWeights;
  mlpNorm: Float32Array;
  up: AffineMatrix;
  upBias: Float32Array;
  down: AffineMatrix;
  downBias: Float32Array;
}

export interface EncoderWeights {
  hidden: number;
  convolutions: readonly [Convolution, Convolution, Convolution];
  /** Gain and offset of the one-group normalisation after the first convolution. */
  groupNorm: { gain: Float32Array; offset: Float32Array };
  biases: readonly [Float32Array, Float32Array];
  /** Radians a step for each pair of rotated dimensions. */
  rotaryFrequencies: Float32Array;
  layers: readonly EncoderLayerWeights[];
  finalNorm: Float32Array;
}

export interface DecoderLayerWeights {
  selfNorm: Float32Array;
  self: AttentionWeights;
  crossNorm: Float32Array;
  cross: AttentionWeights;
  mlpNorm: Float32Array;
  /** [hidden, 2 x inner]: value columns, then gate columns. */
  up: AffineMatrix;
  upBias: Float32Array;
  down: AffineMatrix;
  downBias: Float32Array;
}

export interface DecoderWeights {
  hidden: number;
  vocabulary: number;
  /** Token embedding, tied with the head: uint8 [vocabulary, hidden], one scale and zero point. */
  embedding: { values: Uint8Array; scale: number; zeroPoint: number };
  rotaryFrequencies: Float32Array;
  layers: readonly DecoderLayerWeights[];
  finalNorm: Float32Array;
}

/** The weights of a shipped `encoder_model.onnx`, found by the names PyTorch gave the layers. */
export function readEncoderWeights(graph: Graph): EncoderWeights {
  const lookup = createLookup(graph);
  const groupGain = lookup.floats(lookup.inputOf('/groupnorm/Mul', 1));
  return {
    hidden: groupGain.length,
    convolutions: [lookup.convolution('conv1'), lookup.convolution('conv2'), lookup.convolution('conv3')],
    groupNorm: { gain: groupGain, offset: lookup.floats(lookup.inputOf('/groupnorm/Add', 1)) },
    biases: [lookup.floats('conv2.bias'), lookup.floats('conv3.bias')],
    rotaryFrequencies: lookup.floats('/rotary_emb/Cast_1_output_0'),
    layers: lookup.layers('/layers.').map((layer) => ({
      attentionNorm: lookup.floats(`layers.${layer}.input_layernorm.weight`),
      attention: lookup.attention(`/layers.${layer}/self_attn`),
      mlpNorm: lookup.floats(`layers.${layer}.post_attention_layernorm.weight`),
      up: lookup.matrix(`/layers.${layer}/mlp/fc1`),
      upBias: lookup.floats(`layers.${layer}.mlp.fc1.bias`),
      down: lookup.matrix(`/layers.${layer}/mlp/fc2`),
      downBias: lookup.floats(`layers.${layer}.mlp.fc2.bias`),
    })),
    finalNorm: lookup.floats('layer_norm.weight'),
  };
}

/** The weights of a shipped `decoder_model_merged.onnx`; both branches of its `If` share them. */
export function readDecoderWeights(graph: Graph): DecoderWeights {
  const lookup = createLookup(graph);
  const table = 'model.decoder.embed_tokens.weight_merged_0';
  const embedding = lookup.tensor(`${table}_quantized`);
  const [vocabulary = 0, hidden = 0] = embedding.dims;
  const norm = (name: string) => lookup.floats(`model.decoder.${name}.weight_merged_0`);
  const bias = (name: string) => lookup.floats(`model.decoder.${name}.bias_merged_0`);
  return {
    hidden,
    vocabulary,
    embedding: {
      values: embedding.bytes,
      scale: lookup.number(`${table}_scale`),
      zeroPoint: lookup.number(`${table}_zero_point`),
    },
    rotaryFrequencies: lookup.floats('/model/decoder/rotary_emb/Cast_1_output_0'),
    layers: lookup.layers('/model/decoder/layers.').map((layer) => ({
      selfNorm: norm(`layers.${layer}.input_layernorm`),
      self: lookup.attention(`/model/decoder/layers.${layer}/self_attn`),
      crossNorm: norm(`layers.${layer}.post_attention_layernorm`),
      cross: lookup.attention(`/model/decoder/layers.${layer}/encoder_attn`),
      mlpNorm: norm(`layers.${layer}.final_layernorm`),
      up: lookup.matrix(`/model/decoder/layers.${layer}/mlp/up_proj`),
      upBias: bias(`layers.${layer}.mlp.up_proj`),
      down: lookup.matrix(`/model/decoder/layers.${layer}/mlp/down_proj`),
      downBias: bias(`layers.${layer}.mlp.down_proj`),
    })),
    finalNorm: norm('norm'),
  };
}

function createLookup(root: Graph) {
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
    const { bytes } = tensor(name);
    return new Float32Array(bytes.slice().buffer);
  };
  const number = (name: string): number => {
    const found = tensor(name);
    return (found.type === 'float32' ? floats(name)[0] : found.bytes[0]) ?? 0;
  };
  /** Products are `MatMulInteger(input, weight, input zero point, weight zero point)` with the scale beside the weight. */
  const matrix = (name: string): AffineMatrix => {
    const { inputs } = node(`${name}/MatMul_quant`);
    const weight = inputs[1] ?? '';
    const { bytes, dims } = tensor(weight);
    const scale = number(weight.replace(/_quantized$/, '_scale'));
    return fromUnsigned(bytes, dims[1] ?? 0, scale, number(inputs[3] ?? ''));
  };
  /** Convolutions are stored int8 and restored as `values * scale + offset` (the file calls the offset zero point). */
  const convolution = (name: string): Convolution => {
    const { bytes, dims } = tensor(`${name}.weight_quantized`);
    const [outputs = 0, inputs = 0, kernel = 0] = dims;
    const scale = number(`${name}.weight_scale`);
    const zeroPoint = Math.round(-number(`${name}.weight_zero_point`) / scale);
    const strides = node(`/${name}/Conv`).attributes.get('strides');
    const stride = Array.isArray(strides) ? Number(strides[0]) : 1;
    return { values: new Int8Array(bytes.slice().buffer), scale, zeroPoint, outputs, inputs, kernel, stride };
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
    return [...new Set(numbers)].sort((a, b) => a - b);
  };
  return { tensor, inputOf, floats, number, matrix, convolution, attention, layers };
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
