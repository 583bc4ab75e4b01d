import { decodeText, type Field, MessageWriter, readFields, readPackedVarints } from './protobuf.ts';

/** Element types our graphs use, with their number in onnx.proto (TensorProto.DataType). */
export const ELEMENT_TYPES = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

/** A constant. `bytes` holds its elements little-endian in row-major order. */
export interface TensorData {
  type: ElementType;
  dims: readonly number[];
  bytes: Uint8Array;
}

export type Attribute =
  | number
  | bigint
  | string
  | readonly number[]
  | TensorData
  | { float: number }
  | { graph: Graph };

export interface GraphNode {
  operator: string;
  /** '' is ONNX's own operator set. */
  domain: string;
  name: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: ReadonlyMap<string, Attribute>;
}

/** A named input or output; a string dimension is free and named. */
export interface GraphValue {
  name: string;
  type: ElementType;
  dims: readonly (number | string)[];
}

/** Nodes in running order and the constants they read. */
export interface Graph {
  name: string;
  nodes: readonly GraphNode[];
  initializers: ReadonlyMap<string, TensorData>;
  inputs: readonly GraphValue[];
  outputs: readonly GraphValue[];
}

export interface Model extends Graph {
  /** Operator set versions by domain. */
  opsets: ReadonlyMap<string, number>;
}

/** A file that is not the ONNX model we know how to read. */
export class ModelFileError extends Error {
  override readonly name = 'ModelFileError';
  readonly code = 'model_file_invalid';
}

/** The file may be the right model, but its weights are not stored in a form we read. */
export class UnreadableWeightsError extends ModelFileError {}

/**
 * Reads nodes and constants of an ONNX file, also those of `If` branches (as `{graph}` attributes).
 * Constants are views into `file`. Inputs and outputs come with names alone; their shapes are not read.
 */
export function readModel(file: Uint8Array): Model {
  let graph: Graph | undefined;
  const opsets = new Map<string, number>();
  try {
    // A Buffer's slice() does not copy: hand out plain views.
    for (const field of readFields(bytesOf(file))) {
      if (field.number === 7) graph = readGraph(field.bytes);
      if (field.number === 8) {
        const parts = byNumber(field.bytes);
        opsets.set(textOf(parts.get(1)), Number(parts.get(2)?.[0]?.value ?? 0n));
      }
    }
  } catch (cause) {
    throw new ModelFileError('the file is damaged or no ONNX model; fetch it again', { cause });
  }
  if (graph === undefined) throw new ModelFileError('the file holds no ONNX graph; fetch it again');
  return { ...graph, opsets };
}

function readGraph(message: Uint8Array): Graph {
  const nodes: GraphNode[] = [];
  const initializers = new Map<string, TensorData>();
  const inputs: GraphValue[] = [];
  const outputs: GraphValue[] = [];
  let name = '';
  for (const field of readFields(message)) {
    if (field.number === 1) nodes.push(readNode(field.bytes));
    else if (field.number === 2) name = decodeText(field.bytes);
    else if (field.number === 5) {
      const tensor = readTensor(field.bytes);
      if (tensor.data) initializers.set(tensor.name, tensor.data);
    } else if (field.number === 11) inputs.push(readValue(field.bytes));
    else if (field.number === 12) outputs.push(readValue(field.bytes));
  }
  return { name, nodes, initializers, inputs, outputs };
}

const readValue = (message: Uint8Array): GraphValue => ({
  name: textOf(byNumber(message).get(1)),
  type: 'float32',
  dims: [],
});

function readNode(message: Uint8Array): GraphNode {
  const parts = byNumber(message);
  const attributes = new Map<string, Attribute>();
  for (const field of parts.get(5) ?? []) {
    const attribute = byNumber(field.bytes);
    const value = readAttribute(attribute);
    if (value !== undefined) attributes.set(textOf(attribute.get(1)), value);
  }
  return {
    inputs: (parts.get(1) ?? []).map((field) => decodeText(field.bytes)),
    outputs: (parts.get(2) ?? []).map((field) => decodeText(field.bytes)),
    name: textOf(parts.get(3)),
    operator: textOf(parts.get(4)),
    domain: textOf(parts.get(7)),
    attributes,
  };
}

function readAttribute(parts: Map<number, Field[]>): Attribute | undefined {
  const [float] = parts.get(2) ?? [];
  if (float) return { float: floatOf(Number(float.value)) };
  const [integer] = parts.get(3) ?? [];
  if (integer) return BigInt.asIntN(64, integer.value);
  const [text] = parts.get(4) ?? [];
  if (text) return decodeText(text.bytes);
  const [tensor] = parts.get(5) ?? [];
  if (tensor) return readTensor(tensor.bytes).data;
  const [graph] = parts.get(6) ?? [];
  if (graph) return { graph: readGraph(graph.bytes) };
  const integers = parts.get(8);
  return integers && integersOf(integers);
}

function readTensor(message: Uint8Array): { name: string; data: TensorData | undefined } {
  const parts = byNumber(message);
  const type = typeOf(Number(parts.get(2)?.[0]?.value ?? 0n));
  const dims = integersOf(parts.get(1) ?? []);
  const bytes = parts.get(9)?.[0]?.bytes ?? typedField(parts, type);
  return { name: textOf(parts.get(8)), data: type && bytes && { type, dims, bytes } };
}

/** Elements that were written in the typed fields (`float_data`, `int32_data`, `int64_data`) instead of `raw_data`. */
function typedField(parts: Map<number, Field[]>, type: ElementType | undefined): Uint8Array | undefined {
  if (type === 'float32') return parts.get(4)?.[0]?.bytes;
  if (type === 'int64') return bytesOf(BigInt64Array.from(integersOf(parts.get(7) ?? []).map(BigInt)));
  const values = integersOf(parts.get(5) ?? []);
  if (type === 'int32') return bytesOf(Int32Array.from(values));
  return type && Uint8Array.from(values);
}

const typeOf = (number: number): ElementType | undefined =>
  (Object.keys(ELEMENT_TYPES) as ElementType[]).find((type) => ELEMENT_TYPES[type] === number);

const textOf = (fields: Field[] | undefined): string => (fields?.[0] ? decodeText(fields[0].bytes) : '');

const floatOf = (bits: number): number => new Float32Array(new Uint32Array([bits]).buffer)[0] ?? 0;

const integersOf = (fields: Field[]): number[] =>
  fields
    .flatMap((field) => (field.wireType === 2 ? readPackedVarints(field.bytes) : [field.value]))
    .map((value) => Number(BigInt.asIntN(64, value)));

function byNumber(message: Uint8Array): Map<number, Field[]> {
  const fields = new Map<number, Field[]>();
  for (const field of readFields(message)) {
    const same = fields.get(field.number);
    if (same) same.push(field);
    else fields.set(field.number, [field]);
  }
  return fields;
}

/** The bytes of a typed array, not copied. */
export const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Serialises a model as an ONNX file of IR version 8, the one that belongs to opset 17. */
export function writeModel(model: Model): Uint8Array {
  const writer = new MessageWriter().varint(1, 8).text(2, 'stenographer').message(7, graphMessage(model));
  for (const [domain, version] of model.opsets) {
    writer.message(8, new MessageWriter().text(1, domain).varint(2, version));
  }
  return writer.finish();
}

function graphMessage(graph: Graph): MessageWriter {
  const writer = new MessageWriter();
  for (const node of graph.nodes) writer.message(1, nodeMessage(node));
  writer.text(2, graph.name);
  for (const [name, tensor] of graph.initializers) writer.message(5, tensorMessage(tensor).text(8, name));
  for (const value of graph.inputs) writer.message(11, valueMessage(value));
  for (const value of graph.outputs) writer.message(12, valueMessage(value));
  return writer;
}

function nodeMessage(node: GraphNode): MessageWriter {
  const writer = new MessageWriter();
  for (const input of node.inputs) writer.text(1, input);
  for (const output of node.outputs) writer.text(2, output);
  writer.text(3, node.name).text(4, node.operator);
  for (const [name, value] of node.attributes) writer.message(5, attributeMessage(name, value));
  return node.domain === '' ? writer : writer.text(7, node.domain);
}

/** The last field of each branch is AttributeProto.AttributeType: 1 float, 2 int, 3 string, 4 tensor, 5 graph, 7 ints. */
function attributeMessage(name: string, value: Attribute): MessageWriter {
  const writer = new MessageWriter().text(1, name);
  if (typeof value === 'number' || typeof value === 'bigint') return writer.varint(3, value).varint(20, 2);
  if (typeof value === 'string') return writer.text(4, value).varint(20, 3);
  if ('float' in value) return writer.float(2, value.float).varint(20, 1);
  if ('graph' in value) return writer.message(6, graphMessage(value.graph)).varint(20, 5);
  if ('bytes' in value) return writer.message(5, tensorMessage(value)).varint(20, 4);
  for (const integer of value) writer.varint(8, integer);
  return writer.varint(20, 7);
}

function tensorMessage(tensor: TensorData): MessageWriter {
  const writer = new MessageWriter();
  for (const size of tensor.dims) writer.varint(1, size);
  return writer.varint(2, ELEMENT_TYPES[tensor.type]).bytes(9, tensor.bytes);
}

function valueMessage(value: GraphValue): MessageWriter {
  const shape = new MessageWriter();
  for (const size of value.dims) {
    const dimension = new MessageWriter();
    if (typeof size === 'number') dimension.varint(1, size);
    else dimension.text(2, size);
    shape.message(1, dimension);
  }
  const tensor = new MessageWriter().varint(1, ELEMENT_TYPES[value.type]).message(2, shape);
  return new MessageWriter().text(1, value.name).message(2, new MessageWriter().message(1, tensor));
}
