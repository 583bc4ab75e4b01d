import { joinColumns } from '../../../onnx/graph/affine-matrix.ts';
import { GraphBuilder, type Value } from '../../../onnx/graph/builder.ts';
import { bytesOf } from '../../../onnx/graph/model-file.ts';
import { floatProduct, type Product, rowProduct, tensorProduct } from '../../../onnx/graph/products.ts';
import { type MoonshineDescription, Rotary } from './shape.ts';
import { buildStem } from './stem.ts';
import type { EncoderLayerWeights, EncoderWeights } from './weights.ts';

export interface EncoderOptions {
  /** `fast` is what ships; `float` computes everything in floats, to measure the former against. */
  precision?: 'fast' | 'float';
}

/**
 * Encoder of one utterance: `audio` [rows, stride] (see `encoderInput`) to `states` [1, frames, hidden], and the same rounded to int8 as the
 * decoder's cross-attention reads it in every step, in both orders: `rounded` [1, frames, hidden] and `turned` [1, hidden, frames], one step
 * of which is `unit`. One utterance a run, because the norm of the stem takes its statistics over all of it.
 */
export function buildEncoder(
  weights: EncoderWeights,
  description: MoonshineDescription,
  { precision = 'fast' }: EncoderOptions = {},
): Uint8Array {
  const graph = new GraphBuilder('moonshine-encoder');
  const isFast = precision === 'fast';
  const audio = graph.input('audio', 'float32', ['rows', weights.convolutions[0].stride]);
  const frames = buildStem(graph, audio, weights, isFast ? 'int8' : 'float');

  const context: LayerContext = {
    hidden: weights.hidden,
    heads: description.heads,
    rotary: new Rotary(graph, weights, description.maxFrames),
    positions: framePositions(graph, frames),
    product: isFast ? tensorProduct : floatProduct,
    // Which products scale row by row was chosen on 182 clips (bench/results/2026-11-23-graphs.md): 1 % of the time.
    productOfNormed: isFast ? rowProduct : floatProduct,
  };
  let state = graph.node('Unsqueeze', [frames, graph.integers(0)]);
  weights.layers.forEach((layer, i) => {
    state = encoderLayer(graph, `layer${i}`, state, layer, context);
  });
  const gain = graph.floats('final_norm', weights.finalNorm);
  graph.layerNorm(state, gain, { output: 'states' });
  graph.output('states', 'float32', [1, 'frames', weights.hidden]);
  roundStates(graph, weights.hidden);
  return graph.build();
}

function roundStates(graph: GraphBuilder, hidden: number): void {
  const largest = graph.node('ReduceMax', [graph.node('Abs', ['states'])], { attributes: { keepdims: 0 } });
  // Never zero: silence would divide 0 by 0.
  const unit = graph.node('Max', [graph.multiply(largest, graph.scalar(1 / 127)), graph.scalar(1e-12)], {
    outputs: ['unit'],
  });
  const zero = graph.constant('int8(0)', { type: 'int8', dims: [], bytes: new Uint8Array(1) });
  graph.node('QuantizeLinear', ['states', unit, zero], { outputs: ['rounded'] });
  graph.node('Transpose', ['rounded'], { attributes: { perm: [0, 2, 1] }, outputs: ['turned'] });
  graph.output('rounded', 'int8', [1, 'frames', hidden]);
  graph.output('turned', 'int8', [1, hidden, 'frames']);
  graph.output('unit', 'float32', []);
}

interface LayerContext {
  hidden: number;
  heads: number;
  rotary: Rotary;
  positions: Value;
  product: Product;
  /** For the products whose input comes out of a norm, as a matrix [frames, hidden]. */
  productOfNormed: Product;
}

/** 0, 1, 2 ... for each row of `frames`: [1, frames] int64. */
function framePositions(graph: GraphBuilder, frames: Value): Value {
  const scalar = (value: number) =>
    graph.constant(`int64(${value})`, {
      type: 'int64',
      dims: [],
      bytes: bytesOf(BigInt64Array.of(BigInt(value))),
    });
  const count = graph.node('Gather', [graph.node('Shape', [frames]), scalar(0)], { attributes: { axis: 0 } });
  const positions = graph.node('Range', [scalar(0), count, scalar(1)]);
  return graph.node('Unsqueeze', [positions, graph.integers(0)]);
}

/** Pre-norm layer: `input` [1, frames, hidden] to the same shape. Add and LayerNormalization beat their fusion by 8 ms. */
function encoderLayer(
  graph: GraphBuilder,
  name: string,
  input: Value,
  layer: EncoderLayerWeights,
  { hidden, heads, rotary, positions, product, productOfNormed }: LayerContext,
): Value {
  const { query, key, value, output } = layer.attention;
  const normed = graph.layerNorm(input, graph.floats(`${name}.norm`, layer.attentionNorm));
  const joined = productOfNormed(
    graph,
    `${name}.qkv`,
    graph.reshape(normed, -1, hidden),
    joinColumns([query, key, value]),
  );
  const [q = '', k = '', v = ''] = graph.split(graph.reshape(joined, 1, -1, 3 * hidden), 2, [
    hidden,
    hidden,
    hidden,
  ]);
  const turn = (side: Value) => rotary.apply(graph, side, positions, heads);
  const mixed = graph.fused('MultiHeadAttention', [turn(q), turn(k), v], {
    attributes: { num_heads: heads },
  });
  const attended = graph.add(input, product(graph, `${name}.out`, mixed, output));

  const mlpInput = graph.layerNorm(attended, graph.floats(`${name}.mlp_norm`, layer.mlpNorm));
  const rows = graph.reshape(mlpInput, -1, hidden);
  const inner = graph.fused('Gelu', [productOfNormed(graph, `${name}.up`, rows, layer.up, layer.upBias)]);
  return graph.add(attended, product(graph, `${name}.down`, inner, layer.down, layer.downBias));
}
