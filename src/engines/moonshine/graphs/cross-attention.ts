import { type AffineMatrix, dequantize, scaleMatrix } from '../../../onnx/graph/affine-matrix.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph/builder.ts';
import { type Product, roundedProduct } from '../../../onnx/graph/products.ts';
import type { AttentionWeights } from './weights.ts';

/** The encoder's states as cross-attention needs them. */
export interface HeardSpeech {
  /** Products of rows [batch, heads, hidden] with the states: [batch, heads, frames]. */
  scores(rows: Value): Value;
  /** Sums of the states by weights [batch, heads, frames]: [batch, heads, hidden]. */
  mix(weights: Value): Value;
}

/**
 * In int8, which takes half the time of floats in a batch and a quarter of the memory. Each sequence has its unit and each row its own, and
 * sums of integers do not depend on their order: neighbours and padding change nothing.
 */
export function roundedSpeech(graph: GraphBuilder, hidden: number): HeardSpeech {
  const states = graph.input('speech', 'int8', ['batch', 'frames', hidden]);
  const turned = graph.input('speech_turned', 'int8', ['batch', hidden, 'frames']);
  const unit = graph.input('speech_unit', 'float32', ['batch', 1, 1]);
  return {
    scores: (rows) => roundedProduct(graph, rows, turned, unit, { negative: true }),
    mix: (weights) => roundedProduct(graph, weights, states, unit, { negative: false }),
  };
}

/** In floats, for tests and studies. */
export function floatSpeech(graph: GraphBuilder, hidden: number): HeardSpeech {
  const states = graph.input('speech', 'float32', ['batch', 'frames', hidden]);
  return {
    scores: (rows) => graph.fused('FusedMatMul', [rows, states], { attributes: { transB: 1 } }),
    mix: (weights) => graph.node('MatMul', [weights, states]),
  };
}

export interface CrossAttentionContext {
  readonly hidden: number;
  readonly heads: number;
  /** Added to the scores. */
  readonly crossMask: Value;
  readonly heard: HeardSpeech;
  readonly product: Product;
}

/**
 * Attention of `input` [batch, 1, hidden] over the encoder's states themselves: (q K) S' instead of q (S K'), and (w S) V instead of
 * w (S V). Eight times the multiplications, but all heads read the same states, twelve times fewer numbers than keys and values of all
 * layers; those need neither be made nor kept. Products and Softmax: at one query row several times faster than MultiHeadAttention.
 */
export function crossAttention(
  graph: GraphBuilder,
  layer: string,
  input: Value,
  weights: AttentionWeights,
  { hidden, heads, product, crossMask, heard }: CrossAttentionContext,
): Value {
  const size = hidden / heads;
  const scaled = scaleMatrix(weights.query, 1 / Math.sqrt(size));
  // One row a head in the products with weights: the order of their sums does not depend on the batch.
  const query = graph.reshape(product(graph, `${layer}.cross_query`, input, scaled), -1, heads, 1, size);
  const keys = graph.floats(`${layer}.cross_key`, headColumns(weights.key), [heads, size, hidden]);
  const wide = graph.reshape(graph.node('MatMul', [query, keys]), -1, heads, hidden);
  const scores = graph.add(heard.scores(wide), crossMask);
  const shares = graph.node('Softmax', [scores], { attributes: { axis: -1 } });
  const mixed = graph.reshape(heard.mix(shares), -1, heads, 1, hidden);
  const values = graph.floats(`${layer}.cross_value`, headRows(weights.value, heads), [heads, hidden, size]);
  const answer = graph.reshape(graph.node('MatMul', [mixed, values]), -1, 1, hidden);
  return product(graph, `${layer}.cross_out`, answer, weights.output);
}

/** A matrix [hidden, heads * size] as [heads, hidden, size]. */
function headRows(matrix: AffineMatrix, heads: number): Float32Array {
  const size = matrix.columns / heads;
  const floats = dequantize(matrix);
  return floats.map((_, i) => {
    const head = Math.floor(i / (matrix.rows * size));
    const row = Math.floor(i / size) % matrix.rows;
    return floats[row * matrix.columns + head * size + (i % size)] ?? 0;
  });
}

/** A matrix [hidden, heads * size] as [heads, size, hidden]. */
function headColumns(matrix: AffineMatrix): Float32Array {
  const floats = dequantize(matrix);
  return floats.map((_, i) => floats[(i % matrix.rows) * matrix.columns + Math.floor(i / matrix.rows)] ?? 0);
}
