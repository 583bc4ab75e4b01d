import './no-telemetry.ts';
import { Tensor } from 'onnxruntime-node';

export function float32Tensor(data: Float32Array, dims: readonly number[]): Tensor {
  return new Tensor('float32', data, dims);
}

/** Wraps an array without copying it: f32, i8, or 64-bit integers for token ids and positions. */
export function makeTensor(data: Float32Array | Int8Array | BigInt64Array, dims: readonly number[]): Tensor {
  if (data instanceof Float32Array) return float32Tensor(data, dims);
  return data instanceof Int8Array ? new Tensor('int8', data, dims) : new Tensor('int64', data, dims);
}

/** JS numbers in, 64-bit integers in the graph. */
export function int64Tensor(values: readonly number[], dims: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

/** One truth value, of shape [1]. */
export function boolTensor(value: boolean): Tensor {
  return new Tensor('bool', Uint8Array.of(value ? 1 : 0), [1]);
}

/** The f32 data of an output. Throws when the graph answered another type or nothing. */
export function float32Data(outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const tensor = outputs[name];
  if (!(tensor?.data instanceof Float32Array)) throw new Error(`the graph gave no f32 output "${name}"`);
  return tensor.data;
}

/** The i64 data of an output. Throws when the graph answered another type or nothing. */
export function int64Data(outputs: Readonly<Record<string, Tensor>>, name: string): BigInt64Array {
  const tensor = outputs[name];
  if (!(tensor?.data instanceof BigInt64Array)) throw new Error(`the graph gave no i64 output "${name}"`);
  return tensor.data;
}

export type { Tensor };
