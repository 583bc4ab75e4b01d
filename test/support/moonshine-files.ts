import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Attribute,
  bytesOf,
  type Graph,
  type GraphNode,
  type TensorData,
  writeModel,
} from '../../src/onnx/graph/model-file.ts';

/** Sizes of a generated model; the convolutions of the stem are Moonshine's own. */
export interface MoonshineSizes {
  readonly hidden: number;
  readonly heads: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  /** Width of the MLPs. */
  readonly inner: number;
  readonly vocabulary: number;
  readonly rotaryPairs: number;
}

/** Row-major numbers by weight name, as the files mean them: after rounding, where the files are in 8 bits. */
export type NamedWeights = ReadonlyMap<string, Float32Array>;

export const STEM = [
  { name: 'conv1', kernel: 127, stride: 64, inputs: 0, outputs: 1 },
  { name: 'conv2', kernel: 7, stride: 3, inputs: 1, outputs: 2 },
  { name: 'conv3', kernel: 3, stride: 2, inputs: 2, outputs: 1 },
] as const;

/**
 * Writes `encoder_model.onnx` and `decoder_model_merged.onnx` with random weights, named and laid out as the publisher's exporter does it:
 * `quantized` in 8 bits by ONNX Runtime's dynamic quantisation, `float` without. They hold what a reader of the weights looks for and no
 * more: the nodes are not connected, so no runtime can run them.
 */
export async function writeMoonshineFiles(
  folder: string,
  sizes: MoonshineSizes,
  kind: 'quantized' | 'float',
): Promise<NamedWeights> {
  const weights = new Map<string, Float32Array>();
  const encoder = encoderFile(new FileWriter(kind, weights), sizes);
  const decoder = decoderFile(new FileWriter(kind, weights), sizes);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'encoder_model.onnx'), encoder);
  await writeFile(join(folder, 'decoder_model_merged.onnx'), decoder);
  return weights;
}

function encoderFile(
  file: FileWriter,
  { hidden, encoderLayers, inner, rotaryPairs }: MoonshineSizes,
): Uint8Array {
  for (const { name, kernel, stride, inputs, outputs } of STEM)
    file.convolution(name, [outputs * hidden, Math.max(1, inputs * hidden), kernel], stride);
  file.vector('groupnorm.gain', hidden, 1);
  file.vector('groupnorm.offset', hidden);
  file.node('Mul', '/groupnorm/Mul', ['x', 'groupnorm.gain']);
  file.node('Add', '/groupnorm/Add', ['x', 'groupnorm.offset']);
  file.vector('conv2.bias', 2 * hidden);
  file.vector('conv3.bias', hidden);
  file.rotary('/rotary_emb/Cast_1_output_0', rotaryPairs);
  for (let layer = 0; layer < encoderLayers; layer += 1) {
    file.vector(`layers.${layer}.input_layernorm.weight`, hidden, 1);
    file.attention(`/layers.${layer}/self_attn`, hidden);
    file.vector(`layers.${layer}.post_attention_layernorm.weight`, hidden, 1);
    file.matrix(`/layers.${layer}/mlp/fc1`, hidden, inner);
    file.vector(`layers.${layer}.mlp.fc1.bias`, inner);
    file.matrix(`/layers.${layer}/mlp/fc2`, inner, hidden);
    file.vector(`layers.${layer}.mlp.fc2.bias`, hidden);
  }
  file.vector('layer_norm.weight', hidden, 1);
  return file.finish();
}

/** As the merged export: weights beside one `If`, whose branches hold the nodes. */
function decoderFile(file: FileWriter, sizes: MoonshineSizes): Uint8Array {
  const { hidden, decoderLayers, inner, vocabulary, rotaryPairs } = sizes;
  file.embedding('model.decoder.embed_tokens.weight_merged_0', vocabulary, hidden);
  file.rotary('/model/decoder/rotary_emb/Cast_1_output_0', rotaryPairs);
  for (let layer = 0; layer < decoderLayers; layer += 1) {
    const own = `model.decoder.layers.${layer}`;
    const path = `/model/decoder/layers.${layer}`;
    for (const norm of ['input_layernorm', 'post_attention_layernorm', 'final_layernorm'])
      file.vector(`${own}.${norm}.weight_merged_0`, hidden, 1);
    file.attention(`${path}/self_attn`, hidden);
    file.attention(`${path}/encoder_attn`, hidden);
    file.matrix(`${path}/mlp/up_proj`, hidden, 2 * inner);
    file.vector(`${own}.mlp.up_proj.bias_merged_0`, 2 * inner);
    file.matrix(`${path}/mlp/down_proj`, inner, hidden);
    file.vector(`${own}.mlp.down_proj.bias_merged_0`, hidden);
  }
  file.vector('model.decoder.norm.weight_merged_0', hidden, 1);
  return file.finish('If');
}

class FileWriter {
  readonly #kind: 'quantized' | 'float';
  readonly #weights: Map<string, Float32Array>;
  readonly #nodes: GraphNode[] = [];
  readonly #initializers = new Map<string, TensorData>();
  #seed: number;

  constructor(kind: 'quantized' | 'float', weights: Map<string, Float32Array>) {
    this.#kind = kind;
    this.#weights = weights;
    this.#seed = weights.size + 1;
  }

  node(
    operator: string,
    name: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
  ): void {
    this.#nodes.push({
      operator,
      domain: '',
      name,
      inputs,
      outputs: [`${name}_output_0`],
      attributes: new Map(Object.entries(attributes)),
    });
  }

  /** Random numbers around `mean`, never in 8 bits. */
  vector(name: string, length: number, mean = 0): void {
    const values = this.#random(length, 0.2).map((value) => value + mean);
    this.#weights.set(name, values);
    this.#put(name, 'float32', [length], values);
  }

  rotary(name: string, pairs: number): void {
    const values = Float32Array.from({ length: pairs }, (_, pair) => 10_000 ** (-pair / pairs));
    this.#weights.set(name, values);
    this.#put(name, 'float32', [pairs], values);
  }

  attention(name: string, hidden: number): void {
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'dense'])
      this.matrix(`${name}/${part}`, hidden, hidden);
  }

  /** [rows, columns], found by the node that multiplies with it. */
  matrix(name: string, rows: number, columns: number): void {
    const values = this.#random(rows * columns, 1.5 / Math.sqrt(rows));
    const constant = `onnx::MatMul_${this.#nodes.length}`;
    if (this.#kind === 'float') {
      this.#weights.set(name, values);
      this.#put(constant, 'float32', [rows, columns], values);
      this.node('MatMul', `${name}/MatMul`, ['x', constant]);
      return;
    }
    const { rounded, scale, zeroPoint, meant } = toUnsigned(values);
    this.#weights.set(name, meant);
    this.#put(`${constant}_quantized`, 'uint8', [rows, columns], rounded);
    this.#put(`${constant}_scale`, 'float32', [], Float32Array.of(scale));
    this.#put(`${constant}_zero_point`, 'uint8', [], Uint8Array.of(zeroPoint));
    this.node('MatMulInteger', `${name}/MatMul_quant`, [
      'x',
      `${constant}_quantized`,
      'x_zero_point',
      `${constant}_zero_point`,
    ]);
  }

  embedding(name: string, vocabulary: number, hidden: number): void {
    const values = this.#random(vocabulary * hidden, 0.5);
    if (this.#kind === 'float') {
      this.#weights.set(name, values);
      this.#put(name, 'float32', [vocabulary, hidden], values);
      return;
    }
    const { rounded, scale, zeroPoint, meant } = toUnsigned(values);
    this.#weights.set(name, meant);
    this.#put(`${name}_quantized`, 'uint8', [vocabulary, hidden], rounded);
    this.#put(`${name}_scale`, 'float32', [], Float32Array.of(scale));
    this.#put(`${name}_zero_point`, 'uint8', [], Uint8Array.of(zeroPoint));
  }

  convolution(name: string, dims: readonly [number, number, number], stride: number): void {
    const [outputs, inputs, kernel] = dims;
    const values = this.#random(outputs * inputs * kernel, 1.5 / Math.sqrt(inputs * kernel));
    this.node('Conv', `/${name}/Conv`, ['x', 'w'], { strides: [stride] });
    if (this.#kind === 'float') {
      this.#weights.set(name, values);
      this.#put(`${name}.weight`, 'float32', dims, values);
      return;
    }
    const { rounded, scale, zeroPoint, meant } = toUnsigned(values);
    this.#weights.set(name, meant);
    this.#put(
      `${name}.weight_quantized`,
      'int8',
      dims,
      Int8Array.from(rounded, (value) => value - 128),
    );
    this.#put(`${name}.weight_scale`, 'float32', [], Float32Array.of(scale));
    this.#put(`${name}.weight_zero_point`, 'float32', [], Float32Array.of((128 - zeroPoint) * scale));
  }

  finish(inside?: 'If'): Uint8Array {
    const empty = { name: 'graph', inputs: [], outputs: [] };
    const nodes: Graph = { ...empty, nodes: this.#nodes, initializers: new Map() };
    const choice: GraphNode = {
      operator: 'If',
      domain: '',
      name: 'optimum::if',
      inputs: ['use_cache_branch'],
      outputs: ['logits'],
      attributes: new Map([
        ['then_branch', { graph: nodes }],
        ['else_branch', { graph: nodes }],
      ]),
    };
    return writeModel({
      ...empty,
      nodes: inside === 'If' ? [choice] : this.#nodes,
      initializers: this.#initializers,
      opsets: new Map([['', 17]]),
    });
  }

  #put(name: string, type: TensorData['type'], dims: readonly number[], data: ArrayBufferView): void {
    this.#initializers.set(name, { type, dims, bytes: bytesOf(data) });
  }

  /** Uniform in -size to size, the same in every run. */
  #random(length: number, size: number): Float32Array {
    return Float32Array.from({ length }, () => {
      this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return size * (this.#seed / 0x40000000 - 1);
    });
  }
}

/** One scale and zero point for all, as the publisher's quantisation. */
function toUnsigned(values: Float32Array) {
  const [least, most] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const scale = Math.fround((most - least) / 255);
  const zeroPoint = Math.round(-least / scale);
  const rounded = Uint8Array.from(values, (value) =>
    Math.min(255, Math.max(0, Math.round(value / scale) + zeroPoint)),
  );
  return {
    rounded,
    scale,
    zeroPoint,
    meant: Float32Array.from(rounded, (value) => scale * (value - zeroPoint)),
  };
}
