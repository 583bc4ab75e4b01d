/** Writes ggml's legacy model files (magic `ggml`): a header, then tensors one after another, all little-endian. */

export const GGML_MAGIC = 0x67676d6c;

/** ggml's numbers of the types, and their bytes. */
const TYPES = { f32: [0, 4], f16: [1, 2], i32: [26, 4] } as const;

/** Weights by position; what is not set is 0. */
export interface TensorSpec {
  readonly name: string;
  /** ggml's order: the first dimension is contiguous. */
  readonly shape: readonly number[];
  readonly type: keyof typeof TYPES;
  readonly values?: ReadonlyMap<number, number> | number;
}

export class GgmlWriter {
  readonly #parts: Buffer[] = [];

  int32(...values: readonly number[]): this {
    const bytes = Buffer.alloc(values.length * 4);
    for (const [index, value] of values.entries()) bytes.writeInt32LE(value, index * 4);
    this.#parts.push(bytes);
    return this;
  }

  float32(values: Float32Array): this {
    this.#parts.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    return this;
  }

  /** A length, then so many bytes. */
  bytes(value: Uint8Array): this {
    this.int32(value.length);
    this.#parts.push(Buffer.from(value));
    return this;
  }

  tensor({ name, shape, type, values = 0 }: TensorSpec): this {
    const count = shape.reduce((product, size) => product * size, 1);
    const text = Buffer.from(name, 'utf8');
    const [number, size] = TYPES[type];
    this.int32(shape.length, text.length, number, ...shape);
    const bytes = Buffer.alloc(count * size);
    const put = (index: number, value: number): void => {
      if (index < 0 || index >= count) throw new RangeError(`${name} has no weight ${index}`);
      if (type === 'f32') bytes.writeFloatLE(value, index * 4);
      else if (type === 'f16') bytes.writeUInt16LE(float16(value), index * 2);
      else bytes.writeInt32LE(value, index * 4);
    };
    if (typeof values !== 'number') for (const [index, value] of values) put(index, value);
    else if (values !== 0) for (let index = 0; index < count; index += 1) put(index, values);
    this.#parts.push(text, bytes);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** IEEE half precision, for numbers that have one: small, no more than 11 significant bits. */
function float16(value: number): number {
  if (value === 0) return 0;
  const sign = value < 0 ? 0x8000 : 0;
  const size = Math.abs(value);
  const exponent = Math.floor(Math.log2(size));
  if (exponent < -14 || exponent > 15) throw new RangeError(`${value} has no normal half precision`);
  const fraction = Math.round((size / 2 ** exponent - 1) * 1024);
  return fraction === 1024 ? sign | ((exponent + 16) << 10) : sign | ((exponent + 15) << 10) | fraction;
}
