import { Tensor } from 'onnxruntime-node';

export function float32Tensor(data: Float32Array, dims: readonly number[]): Tensor {
  return new Tensor('float32', data, dims);
}

/** Token ids and positions: JS numbers in, 64-bit integers in the graph. */
export function int64Tensor(values: readonly number[], dims: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

export function boolTensor(value: boolean): Tensor {
  return new Tensor('bool', Uint8Array.of(value ? 1 : 0), [1]);
}

/** The f32 data of an output. Throws when the graph answered another type or nothing. */
export function float32Data(outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const tensor = outputs[name];
  if (!(tensor?.data instanceof Float32Array)) throw new Error(`the graph gave no f32 output "${name}"`);
  return tensor.data;
}

export type { Tensor };
