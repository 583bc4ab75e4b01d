import type { GraphBuilder, Value } from '../../../onnx/graph/builder.ts';
import type { DecoderWeights } from './weights.ts';

/** Rows of the embedding table for `tokens` [batch, count]: [batch, count, hidden]. Only the rows that are asked for are read. */
export function embed(
  graph: GraphBuilder,
  tokens: Value,
  { embedding, vocabulary, hidden }: DecoderWeights,
): Value {
  const { values, scales, zeroPoint } = embedding;
  const table = graph.constant('embedding', { type: 'uint8', dims: [vocabulary, hidden], bytes: values });
  const zero = graph.constant('embedding.zero', { type: 'uint8', dims: [], bytes: Uint8Array.of(zeroPoint) });
  const rows = graph.node('Gather', [table, tokens]);
  const [scale = 1] = scales;
  if (scales.every((other) => other === scale))
    return graph.node('DequantizeLinear', [rows, graph.scalar(scale), zero]);
  const units = graph.node('Gather', [graph.floats('embedding.scales', scales, [vocabulary, 1]), tokens]);
  return graph.multiply(graph.node('DequantizeLinear', [rows, graph.scalar(1), zero]), units);
}
