import type { AffineMatrix } from '../../../onnx/graph/affine-matrix.ts';
import type { Graph } from '../../../onnx/graph/model-file.ts';
import { createLookup } from './weight-lookup.ts';

/** A convolution over time in 8 bits: weight [outputs, inputs, kernel] = `scales[output] * (values - zeroPoint)`. */
export interface Convolution {
  values: Int8Array;
  /** [outputs] */
  scales: Float32Array;
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
  /** Token embedding, tied with the head: uint8 [vocabulary, hidden], one zero point and a scale for each token. */
  embedding: { values: Uint8Array; scales: Float32Array; zeroPoint: number };
  rotaryFrequencies: Float32Array;
  layers: readonly DecoderLayerWeights[];
  finalNorm: Float32Array;
}

/**
 * The weights of an `encoder_model.onnx` as its publisher ships it, in 8 bits or in floats, found by the names PyTorch gave the layers.
 * @throws ModelFileError when one is missing.
 */
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

/**
 * The weights of a `decoder_model_merged.onnx` as its publisher ships it; both branches of its `If` share them.
 * @throws ModelFileError when one is missing.
 */
export function readDecoderWeights(graph: Graph): DecoderWeights {
  const lookup = createLookup(graph);
  const { vocabulary, hidden, ...embedding } = lookup.embedding('model.decoder.embed_tokens.weight_merged_0');
  const norm = (name: string) => lookup.floats(`model.decoder.${name}.weight_merged_0`);
  const bias = (name: string) => lookup.floats(`model.decoder.${name}.bias_merged_0`);
  return {
    hidden,
    vocabulary,
    embedding,
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
