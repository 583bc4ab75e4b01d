import { joinColumns, scaleMatrix } from '../../../onnx/graph/affine-matrix.ts';
import { GraphBuilder, type Value } from '../../../onnx/graph/builder.ts';
import { blockProduct, tensorProduct } from '../../../onnx/graph/products.ts';
import { embed } from './embedding.ts';
import { type AttentionHead, type MoonshineDescription, Rotary } from './shape.ts';
import type { DecoderLayerWeights, DecoderWeights } from './weights.ts';

/**
 * Where tokens that are already known listened: the decoder over a whole sequence in one run, up to the last layer that has a head
 * asked for, without the vocabulary. About the price of three decoding steps, and paid only by those who want word times.
 *
 * In: `tokens`, `positions` int64 [1, tokens]; `self_mask` [1, 1, tokens, tokens], added to the scores; `speech` [1, frames, hidden], the encoder's states.
 * Out: `weights` [asked heads, tokens, frames], in the order of `asked`.
 */
export function buildAlignment(
  weights: DecoderWeights,
  description: MoonshineDescription,
  asked: readonly AttentionHead[],
): Uint8Array {
  const graph = new GraphBuilder('moonshine-alignment');
  const { hidden, layers } = weights;
  const context: LayerContext = {
    hidden,
    heads: description.heads,
    position: graph.input('positions', 'int64', [1, 'tokens']),
    selfMask: graph.input('self_mask', 'float32', [1, 1, 'tokens', 'tokens']),
    speech: graph.input('speech', 'float32', [1, 'frames', hidden]),
    rotary: new Rotary(graph, weights, description.maxPositions),
    attention: [],
  };
  let state = embed(graph, graph.input('tokens', 'int64', [1, 'tokens']), weights);
  const last = Math.max(...asked.map(({ layer }) => layer));
  for (const [i, layer] of layers.slice(0, last + 1).entries())
    state = decoderLayer(graph, i, state, layer, { ...context, final: i === last });
  const parts = asked.map(({ layer, head }) =>
    graph.slice(context.attention[layer] ?? '', 1, head, head + 1),
  );
  graph.node('Squeeze', [graph.concat(parts, 1), graph.integers(0)], { outputs: ['weights'] });
  graph.output('weights', 'float32', [asked.length, 'tokens', 'frames']);
  return graph.build();
}

interface LayerContext {
  readonly hidden: number;
  readonly heads: number;
  readonly position: Value;
  readonly selfMask: Value;
  readonly speech: Value;
  readonly rotary: Rotary;
  /** Collects the cross-attention weights of each layer, [1, heads, tokens, frames]. */
  readonly attention: Value[];
}

function decoderLayer(
  graph: GraphBuilder,
  i: number,
  input: Value,
  layer: DecoderLayerWeights,
  context: LayerContext & { readonly final: boolean },
): Value {
  const afterSelf = graph.add(input, selfAttention(graph, i, input, layer, context));
  const mixed = crossAttention(graph, i, afterSelf, layer, context);
  // Behind the weights that are asked for nothing is needed any more.
  if (context.final) return afterSelf;
  const afterCross = graph.add(afterSelf, mixed());
  return graph.add(afterCross, gatedMlp(graph, i, afterCross, layer));
}

function selfAttention(
  graph: GraphBuilder,
  i: number,
  input: Value,
  layer: DecoderLayerWeights,
  { hidden, heads, rotary, position, selfMask }: LayerContext,
): Value {
  const { query, key, value, output } = layer.self;
  const normed = graph.layerNorm(input, graph.floats(`layer${i}.self_norm`, layer.selfNorm));
  const joined = blockProduct(graph, `layer${i}.qkv`, normed, joinColumns([query, key, value]));
  const [both = '', v = ''] = graph.split(joined, 2, [2 * hidden, hidden]);
  const [q = '', k = ''] = graph.split(rotary.apply(graph, both, position, 2 * heads), 2, [hidden, hidden]);
  const mixed = graph.fused('MultiHeadAttention', [q, k, v, '', '', selfMask], {
    attributes: { num_heads: heads },
  });
  return blockProduct(graph, `layer${i}.self_out`, mixed, output);
}

/** Notes the layer's weights; the returned function goes on to what the layer heard. */
function crossAttention(
  graph: GraphBuilder,
  i: number,
  input: Value,
  layer: DecoderLayerWeights,
  { hidden, heads, speech, attention }: LayerContext,
): () => Value {
  const size = hidden / heads;
  const byHead = (value: Value): Value =>
    graph.transpose(graph.reshape(value, 1, -1, heads, size), 0, 2, 1, 3);
  const normed = graph.layerNorm(input, graph.floats(`layer${i}.cross_norm`, layer.crossNorm));
  const scaled = scaleMatrix(layer.cross.query, 1 / Math.sqrt(size));
  const query = byHead(blockProduct(graph, `layer${i}.cross_query`, normed, scaled));
  const keys = tensorProduct(graph, `layer${i}.cross_key`, speech, layer.cross.key);
  const columns = graph.transpose(graph.reshape(keys, 1, -1, heads, size), 0, 2, 3, 1);
  const scores = graph.node('MatMul', [query, columns]);
  const weights = graph.node('Softmax', [scores], { attributes: { axis: -1 } });
  attention.push(weights);
  return () => {
    const values = byHead(tensorProduct(graph, `layer${i}.cross_value`, speech, layer.cross.value));
    const heard = graph.transpose(graph.node('MatMul', [weights, values]), 0, 2, 1, 3);
    return blockProduct(
      graph,
      `layer${i}.cross_out`,
      graph.reshape(heard, 1, -1, hidden),
      layer.cross.output,
    );
  };
}

function gatedMlp(graph: GraphBuilder, i: number, input: Value, layer: DecoderLayerWeights): Value {
  const normed = graph.layerNorm(input, graph.floats(`layer${i}.mlp_norm`, layer.mlpNorm));
  const inner = layer.up.columns / 2;
  const up = blockProduct(graph, `layer${i}.up`, normed, layer.up, layer.upBias);
  const [value = '', gate = ''] = graph.split(up, 2, [inner, inner]);
  const opened = graph.fused('QuickGelu', [gate], { attributes: { alpha: { float: 1 } } });
  return blockProduct(graph, `layer${i}.down`, graph.multiply(opened, value), layer.down, layer.downBias);
}
