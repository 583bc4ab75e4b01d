import type { GraphBuilder, Value } from './builder.ts';

/** Elements are compared in so many rows, if their number can be divided by it. */
const ROWS = 16;

/**
 * The largest of the `length` elements of each row of `values` [batch, length], [batch, 1], and where it is, int64 [batch, 1].
 * The elements are laid in rows below each other and the largest of each column is taken first, which the processor does many at a
 * time: a third of what TopK takes for a vocabulary, which in turn takes half of ArgMax. Of equals any may be named, the same each time.
 */
export function largestOf(
  graph: GraphBuilder,
  values: Value,
  length: number,
): { largest: Value; index: Value } {
  if (length % ROWS !== 0) return top(graph, values, -1);
  const columns = length / ROWS;
  const table = graph.reshape(values, -1, ROWS, columns);
  const largestOfColumns = graph.node('ReduceMax', [table], { attributes: { axes: [1], keepdims: 0 } });
  const { largest, index: column } = top(graph, largestOfColumns, -1);
  const columnInRows = graph.node('Tile', [graph.reshape(column, -1, 1, 1), graph.integers(1, ROWS, 1)]);
  const found = graph.node('GatherElements', [table, columnInRows], { attributes: { axis: 2 } });
  const row = graph.reshape(top(graph, found, 1).index, -1, 1);
  return { largest, index: graph.add(graph.multiply(row, graph.integers(columns)), column) };
}

function top(graph: GraphBuilder, values: Value, axis: number): { largest: Value; index: Value } {
  const [largest, index] = ['largest', 'index'].map((side) => `${side} of ${values}`) as [Value, Value];
  graph.node('TopK', [values, graph.integers(1)], { attributes: { axis }, outputs: [largest, index] });
  return { largest, index };
}
