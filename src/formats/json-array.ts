/**
 * A JSON array piece by piece, byte for byte as `JSON.stringify` writes it. `parts` make its elements when their turn comes, each any
 * number of them.
 */
export function* generateArray(parts: Iterable<() => readonly object[]>): Generator<string> {
  let before = '[';
  for (const elementsOf of parts) {
    const elements = elementsOf();
    if (elements.length === 0) continue;
    yield before + JSON.stringify(elements).slice(1, -1);
    before = ',';
  }
  yield before === '[' ? '[]' : ']';
}
