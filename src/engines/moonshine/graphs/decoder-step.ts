import { joinColumns } from '../../../onnx/graph/affine-matrix.ts';
import { GraphBuilder, type Value } from '../../../onnx/graph/builder.ts';
import { largestOf } from '../../../onnx/graph/largest.ts';
import { blockProduct, floatProduct, int8Product, roundRows, rowUnit } from '../../../onnx/graph/products.ts';
import { type CrossAttentionContext, crossAttention, floatSpeech, roundedSpeech } from './cross-attention.ts';
import { embed } from './embedding.ts';
import { type MoonshineDescription, Rotary } from './shape.ts';
import type { DecoderLayerWeights, DecoderWeights } from './weights.ts';

export interface DecoderStepOptions {
  /** `fast` is what ships; `float` computes everything in floats, to measure the former against. */
  precision?: 'fast' | 'float';
}

/**
 * One decoding step of `batch` sequences side by side, each with its own position and encoder length.
 * No row of the batch is quantised together with another, so neighbours do not change a sequence's tokens.
 *
 * In: `token`, `position` int64 [batch, 1]; `self_mask` [batch, 1, 1, positions + 1] and `cross_mask`
 * [batch, 1, frames], added to the scores; per layer `self_key.i`, `self_value.i` [batch, heads, positions, headSize];
 * the encoder's states as int8, `speech` [batch, frames, hidden] and the same as `speech_turned` [batch, hidden, frames], one step of which is
 * `speech_unit` [batch, 1, 1]. With precision `float` they are `speech` alone, in floats. The token itself is the last of its self-attention's positions.
 * Out: `next_token` int64 [batch, 1], its `probability` [batch, 1], `fresh` [batch, 2 * layers, hidden] with the
 * token's own key and value a layer, for the caller's cache, and `logits` [batch, vocabulary] for those who ask.
 */
export function buildDecoderStep(
  weights: DecoderWeights,
  description: MoonshineDescription,
  { precision = 'fast' }: DecoderStepOptions = {},
): Uint8Array {
  const graph = new GraphBuilder('moonshine-decoder-step');
  const { hidden, layers } = weights;
  const token = graph.input('token', 'int64', ['batch', 1]);
  const context: LayerContext = {
    hidden,
    heads: description.heads,
    position: graph.input('position', 'int64', ['batch', 1]),
    selfMask: graph.input('self_mask', 'float32', ['batch', 1, 1, 'positions_and_one']),
    crossMask: graph.input('cross_mask', 'float32', ['batch', 1, 'frames']),
    heard: precision === 'fast' ? roundedSpeech(graph, hidden) : floatSpeech(graph, hidden),
    rotary: new Rotary(graph, weights, description.maxPositions),
    product: precision === 'fast' ? blockProduct : floatProduct,
    fresh: [],
  };
  let state = embed(graph, token, weights);
  layers.forEach((layer, i) => {
    state = decoderLayer(graph, i, state, layer, context);
  });
  graph.node('Concat', context.fresh, { attributes: { axis: 1 }, outputs: ['fresh'] });
  graph.output('fresh', 'float32', ['batch', 2 * layers.length, hidden]);
  const last = graph.layerNorm(state, graph.floats('final_norm', weights.finalNorm));
  chooseToken(graph, graph.reshape(last, -1, hidden), weights, precision);
  return graph.build();
}

interface LayerContext extends CrossAttentionContext {
  position: Value;
  selfMask: Value;
  rotary: Rotary;
  /** Collects what becomes `fresh`: key, value of each layer, [batch, 1, hidden]. */
  fresh: Value[];
}

function decoderLayer(
  graph: GraphBuilder,
  i: number,
  input: Value,
  layer: DecoderLayerWeights,
  context: LayerContext,
): Value {
  const afterSelf = graph.add(input, selfAttention(graph, i, input, layer, context));
  const normed = graph.layerNorm(afterSelf, graph.floats(`layer${i}.cross_norm`, layer.crossNorm));
  const afterCross = graph.add(afterSelf, crossAttention(graph, `layer${i}`, normed, layer.cross, context));
  return graph.add(afterCross, gatedMlp(graph, i, afterCross, layer, context));
}

function selfAttention(
  graph: GraphBuilder,
  i: number,
  input: Value,
  layer: DecoderLayerWeights,
  context: LayerContext,
): Value {
  const { hidden, heads, rotary, position, product } = context;
  const { query, key, value, output } = layer.self;
  const normed = graph.layerNorm(input, graph.floats(`layer${i}.self_norm`, layer.selfNorm));
  const joined = product(graph, `layer${i}.qkv`, normed, joinColumns([query, key, value]));
  const [both = '', v = ''] = graph.split(joined, 2, [2 * hidden, hidden]);
  // Queries and keys in one rotation, as if they were twice the heads.
  const [q = '', k = ''] = graph.split(rotary.apply(graph, both, position, 2 * heads), 2, [hidden, hidden]);
  context.fresh.push(k, v);
  const past = ['key', 'value'].map((side) =>
    graph.input(`self_${side}.${i}`, 'float32', ['batch', heads, 'positions', hidden / heads]),
  );
  const mixed = graph.fused('MultiHeadAttention', [q, k, v, '', '', context.selfMask, ...past], {
    attributes: { num_heads: heads },
    outputs: [`layer${i}.self`, `layer${i}.present_key`, `layer${i}.present_value`],
  });
  return product(graph, `layer${i}.self_out`, mixed, output);
}

function gatedMlp(
  graph: GraphBuilder,
  i: number,
  input: Value,
  layer: DecoderLayerWeights,
  { product }: LayerContext,
): Value {
  const normed = graph.layerNorm(input, graph.floats(`layer${i}.mlp_norm`, layer.mlpNorm));
  const inner = layer.up.columns / 2;
  const up = product(graph, `layer${i}.up`, normed, layer.up, layer.upBias);
  const [value = '', gate = ''] = graph.split(up, 2, [inner, inner]);
  // QuickGelu with alpha 1 is SiLU.
  const opened = graph.fused('QuickGelu', [gate], { attributes: { alpha: { float: 1 } } });
  return product(graph, `layer${i}.down`, graph.multiply(opened, value), layer.down, layer.downBias);
}

/** The head, tied to the embedding, and the most probable token of each row of `state` [batch, hidden]. */
function chooseToken(
  graph: GraphBuilder,
  state: Value,
  weights: DecoderWeights,
  precision: 'fast' | 'float',
): void {
  const { vocabulary, hidden, embedding } = weights;
  const turned = new Int8Array(embedding.values.length);
  for (let token = 0; token < vocabulary; token++) {
    for (let i = 0; i < hidden; i++) {
      turned[i * vocabulary + token] = (embedding.values[token * hidden + i] ?? 0) - 128;
    }
  }
  const head = {
    rows: hidden,
    columns: vocabulary,
    values: turned,
    scales: embedding.scales,
    zeroPoints: new Int8Array(vocabulary).fill(embedding.zeroPoint - 128),
  };
  if (precision === 'float') {
    graph.node('Identity', [floatProduct(graph, 'head', state, head)], { outputs: ['logits'] });
  } else {
    // One scale a row instead of blocks: a fifth fewer bytes to read, and the head is bound by memory.
    const unit = rowUnit(graph, graph.node('Abs', [state]));
    const rounded = roundRows(graph, state, unit);
    graph.node('Mul', [int8Product(graph, 'head', rounded, head), unit], { outputs: ['logits'] });
  }
  graph.output('logits', 'float32', ['batch', vocabulary]);
  const probabilities = graph.node('Softmax', ['logits'], { attributes: { axis: -1 } });
  const { largest, index } = largestOf(graph, probabilities, vocabulary);
  graph.node('Identity', [index], { outputs: ['next_token'] });
  graph.node('Identity', [largest], { outputs: ['probability'] });
  graph.output('next_token', 'int64', ['batch', 1]);
  graph.output('probability', 'float32', ['batch', 1]);
}
