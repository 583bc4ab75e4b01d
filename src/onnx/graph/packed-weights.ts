import { decodeText, type Field, MessageWriter, readFields } from './protobuf.ts';

/** What ONNX Runtime names the copies it packed for a kernel, among the places of a constant's data (TensorProto.external_data). */
const PACKED = 'prepacked';

/**
 * The ONNX file without the packed copies of constants that other operators than `operators` read, so that the runtime packs those
 * anew on load. Needed because not every kernel's copy is whole when it is saved: `MatMulNBits` of 8 bits (onnxruntime 1.30) adds its
 * scales later, and computes zeros with what was saved.
 */
export function keepPackedWeights(file: Uint8Array, operators: ReadonlySet<string>): Uint8Array {
  return rewrite(file, (field) => (field.number === 7 ? cleanGraph(field.bytes, operators) : field.bytes));
}

function cleanGraph(graph: Uint8Array, operators: ReadonlySet<string>): Uint8Array {
  const others = new Set<string>();
  for (const field of readFields(graph)) {
    if (field.number !== 1) continue;
    const node = [...readFields(field.bytes)];
    const operator = node.find(({ number }) => number === 4);
    if (operator !== undefined && operators.has(decodeText(operator.bytes))) continue;
    for (const { number, bytes } of node) if (number === 1) others.add(decodeText(bytes));
  }
  return rewrite(graph, (field) => {
    if (field.number !== 5) return field.bytes;
    const name = [...readFields(field.bytes)].find(({ number }) => number === 8);
    return name !== undefined && others.has(decodeText(name.bytes))
      ? rewrite(field.bytes, (part) => (isPacked(part) ? undefined : part.bytes))
      : field.bytes;
  });
}

/** An entry {1: key, 2: value} of TensorProto.external_data (13). */
function isPacked({ number, bytes }: Field): boolean {
  if (number !== 13) return false;
  const key = [...readFields(bytes)].find((part) => part.number === 1);
  return key !== undefined && decodeText(key.bytes).startsWith(PACKED);
}

/** The message with every length-delimited field replaced by what `change` makes of it; undefined leaves it out. */
function rewrite(message: Uint8Array, change: (field: Field) => Uint8Array | undefined): Uint8Array {
  const writer = new MessageWriter();
  for (const field of readFields(message)) {
    if (field.wireType === 0) writer.varint(field.number, field.value);
    else if (field.wireType === 2) {
      const bytes = change(field);
      if (bytes !== undefined) writer.bytes(field.number, bytes);
    } else writer.fixed(field.number, field.wireType, field.value);
  }
  return writer.finish();
}
