import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeText, MessageWriter, readFields } from '../../src/onnx/graph/protobuf.ts';

const BUNDLED = fileURLToPath(new URL('../../models/bundled/moonshine-tiny', import.meta.url));

/**
 * Writes the package's model as another exporter might have: nodes have other names and compute what they did. By default none has the
 * name by which we find its weights.
 */
export async function writeRenamedMoonshine(
  folder: string,
  rename: (name: string) => string = (name) => `exported${name.replaceAll('/', '.')}`,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ['encoder_model.onnx', 'decoder_model_merged.onnx']) {
    const model = await readFile(join(BUNDLED, name));
    await writeFile(join(folder, name), renameNodes(model, rename));
  }
}

/** Field numbers of onnx.proto: ModelProto.graph 7, GraphProto.node 1, NodeProto.name 3 and attribute 5, AttributeProto.g 6. */
function renameNodes(model: Uint8Array, rename: (name: string) => string): Uint8Array {
  const graph = (bytes: Uint8Array): Uint8Array => change(bytes, { 1: node });
  const node = (bytes: Uint8Array): Uint8Array => {
    const attribute = (inner: Uint8Array): Uint8Array => change(inner, { 6: graph });
    const name = (old: Uint8Array): Uint8Array => new TextEncoder().encode(rename(decodeText(old)));
    return change(bytes, { 3: name, 5: attribute });
  };
  return change(model, { 7: graph });
}

/** The message with some of its length-delimited fields changed. */
function change(
  message: Uint8Array,
  changes: Readonly<Record<number, (bytes: Uint8Array) => Uint8Array>>,
): Uint8Array {
  const writer = new MessageWriter();
  for (const { number, wireType, value, bytes } of readFields(message)) {
    if (wireType === 0) writer.varint(number, value);
    else if (wireType === 2) writer.bytes(number, changes[number]?.(bytes) ?? bytes);
    else writer.fixed(number, wireType, value);
  }
  return writer.finish();
}
