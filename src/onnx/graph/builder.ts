import type { Attribute, ElementType, GraphNode, GraphValue, Model, TensorData } from './model-file.ts';
import { bytesOf, writeModel } from './model-file.ts';

/** The name of a value in the graph under construction: an input, a constant or a node's output. */
export type Value = string;

export interface NodeOptions {
  /** 'com.microsoft' for ONNX Runtime's fused operators; default ONNX's own set. */
  domain?: string;
  attributes?: Readonly<Record<string, Attribute>>;
  /** Names of the outputs, where they matter; '' leaves an optional output out. Default: one fresh name. */
  outputs?: readonly string[];
}

/** A row-major float matrix or array with its shape. */
export interface FloatTensor {
  dims: readonly number[];
  data: Float32Array;
}

export const MICROSOFT = 'com.microsoft';

/**
 * Builds one ONNX graph node by node; every method returns the name of the value it made.
 * Shapes are the caller's business: ONNX Runtime checks them when the session is created.
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: GraphNode[] = [];
  readonly #initializers = new Map<string, TensorData>();
  readonly #inputs: GraphValue[] = [];
  readonly #outputs: GraphValue[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  input(name: string, type: ElementType, dims: readonly (number | string)[]): Value {
    this.#inputs.push({ name, type, dims });
    return name;
  }

  /** Declares `value` an output of the graph under its own name. */
  output(name: Value, type: ElementType, dims: readonly (number | string)[]): void {
    this.#outputs.push({ name, type, dims });
  }

  constant(name: string, tensor: TensorData): Value {
    if (!this.#initializers.has(name)) this.#initializers.set(name, tensor);
    return name;
  }

  floats(name: string, data: Float32Array | readonly number[], dims?: readonly number[]): Value {
    const array = data instanceof Float32Array ? data : Float32Array.from(data);
    return this.constant(name, { type: 'float32', dims: dims ?? [array.length], bytes: bytesOf(array) });
  }

  /** An int64 vector, shared by all nodes that need the same numbers. */
  integers(...values: readonly number[]): Value {
    const data = BigInt64Array.from(values.map(BigInt));
    return this.constant(`int64[${values.join()}]`, {
      type: 'int64',
      dims: [values.length],
      bytes: bytesOf(data),
    });
  }

  scalar(value: number): Value {
    return this.floats(`float32(${value})`, [value], []);
  }

  /** Adds a node and returns its first output. */
  node(operator: string, inputs: readonly Value[], options: NodeOptions = {}): Value {
    const name = `${operator}_${this.#nodes.length}`;
    const outputs = options.outputs ?? [name];
    const attributes = new Map(Object.entries(options.attributes ?? {}));
    this.#nodes.push({ operator, domain: options.domain ?? '', name, inputs, outputs, attributes });
    return outputs[0] ?? name;
  }

  /** A node of ONNX Runtime's own operator set. */
  fused(operator: string, inputs: readonly Value[], options: Omit<NodeOptions, 'domain'> = {}): Value {
    return this.node(operator, inputs, { ...options, domain: MICROSOFT });
  }

  add(a: Value, b: Value): Value {
    return this.node('Add', [a, b]);
  }

  multiply(a: Value, b: Value): Value {
    return this.node('Mul', [a, b]);
  }

  reshape(value: Value, ...dims: readonly number[]): Value {
    return this.node('Reshape', [value, this.integers(...dims)]);
  }

  transpose(value: Value, ...permutation: readonly number[]): Value {
    return this.node('Transpose', [value], { attributes: { perm: permutation } });
  }

  concat(values: readonly Value[], axis: number): Value {
    return this.node('Concat', values, { attributes: { axis } });
  }

  /** Elements `start` to `end` (exclusive) of one axis; the end may lie past the last one. */
  slice(value: Value, axis: number, start: number, end: number): Value {
    const bounds = [start, end, axis].map((bound) => this.integers(bound));
    return this.node('Slice', [value, ...bounds]);
  }

  /** Splits `axis` into parts of the given sizes. */
  split(value: Value, axis: number, sizes: readonly number[]): Value[] {
    const outputs = sizes.map((_, part) => `Split_${this.#nodes.length}_${part}`);
    this.node('Split', [value, this.integers(...sizes)], { attributes: { axis }, outputs });
    return outputs;
  }

  /** Normalisation over the last axis with a gain and no offset. */
  layerNorm(value: Value, gain: Value, { output }: { output?: string } = {}): Value {
    const attributes = { axis: -1, epsilon: { float: 1e-5 } };
    return this.node('LayerNormalization', [value, gain], {
      attributes,
      ...(output !== undefined && { outputs: [output] }),
    });
  }

  /** The model so far; more nodes may follow. */
  model(): Model {
    return {
      name: this.#name,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: this.#outputs,
      opsets: new Map([
        ['', 17],
        [MICROSOFT, 1],
      ]),
    };
  }

  /** The ONNX file. */
  build(): Uint8Array {
    return writeModel(this.model());
  }
}
