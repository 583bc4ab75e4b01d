/** The wire format of Protocol Buffers, as far as ONNX files use it: https://protobuf.dev/programming-guides/encoding/ */
export type WireType = 0 | 1 | 2 | 5;

/** One field of a message. `bytes` is a view into the message for length-delimited fields, empty otherwise. */
export interface Field {
  number: number;
  wireType: WireType;
  /** Varint or fixed-width value; 0 for length-delimited fields. */
  value: bigint;
  bytes: Uint8Array;
}

const EMPTY = new Uint8Array(0);
const decoder = new TextDecoder();
const encoder = new TextEncoder();

export const decodeText = (bytes: Uint8Array): string => decoder.decode(bytes);

/**
 * The fields of one message in file order; nothing is copied.
 * @throws RangeError when the bytes end inside a field or use a wire type that proto3 does not have.
 */
export function* readFields(message: Uint8Array): Generator<Field> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const cursor = { offset: 0 };
  while (cursor.offset < message.length) {
    const tag = Number(readVarint(message, cursor));
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (wireType === 0) {
      yield { number, wireType, value: readVarint(message, cursor), bytes: EMPTY };
    } else if (wireType === 1) {
      const value = view.getBigUint64(advance(message, cursor, 8), true);
      yield { number, wireType, value, bytes: EMPTY };
    } else if (wireType === 5) {
      const value = BigInt(view.getUint32(advance(message, cursor, 4), true));
      yield { number, wireType, value, bytes: EMPTY };
    } else if (wireType === 2) {
      const length = Number(readVarint(message, cursor));
      const start = advance(message, cursor, length);
      yield { number, wireType, value: 0n, bytes: message.subarray(start, start + length) };
    } else {
      throw new RangeError(`protobuf wire type ${wireType} at byte ${cursor.offset} is not supported`);
    }
  }
}

/** Every varint of a packed repeated field. */
export function readPackedVarints(bytes: Uint8Array): bigint[] {
  const cursor = { offset: 0 };
  const values: bigint[] = [];
  while (cursor.offset < bytes.length) values.push(readVarint(bytes, cursor));
  return values;
}

function advance(message: Uint8Array, cursor: { offset: number }, length: number): number {
  const start = cursor.offset;
  if (length > message.length - start)
    throw new RangeError(`protobuf message ends inside a field at byte ${start}`);
  cursor.offset = start + length;
  return start;
}

function readVarint(message: Uint8Array, cursor: { offset: number }): bigint {
  let low = 0;
  let value = 0n;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = message[cursor.offset];
    if (byte === undefined) throw new RangeError('protobuf message ends inside a number');
    cursor.offset += 1;
    if (shift < 28) {
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
      if (shift === 21) value = BigInt(low);
    } else {
      value |= BigInt(byte & 0x7f) << BigInt(shift);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
  }
  throw new RangeError('protobuf number is longer than 10 bytes');
}

/** Collects the fields of one message; large byte fields are kept by reference until {@link MessageWriter.finish}. */
export class MessageWriter {
  readonly #parts: Uint8Array[] = [];
  #sizeBytes = 0;

  varint(field: number, value: number | bigint): this {
    this.#tag(field, 0);
    this.#push(encodeVarint(BigInt.asUintN(64, BigInt(value))));
    return this;
  }

  float(field: number, value: number): this {
    this.#tag(field, 5);
    this.#push(new Uint8Array(new Float32Array([value]).buffer));
    return this;
  }

  /** A number of 8 (wire type 1) or 4 bytes (5), as {@link readFields} gave it. */
  fixed(field: number, wireType: 1 | 5, value: bigint): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    this.#tag(field, wireType);
    this.#push(bytes.subarray(0, wireType === 1 ? 8 : 4));
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, 2);
    this.#push(encodeVarint(BigInt(value.length)));
    this.#push(value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }

  message(field: number, value: MessageWriter): this {
    this.#tag(field, 2);
    this.#push(encodeVarint(BigInt(value.#sizeBytes)));
    for (const part of value.#parts) this.#push(part);
    return this;
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.#sizeBytes);
    let offset = 0;
    for (const part of this.#parts) {
      out.set(part, offset);
      offset += part.length;
    }
    return out;
  }

  #tag(field: number, wireType: WireType): void {
    this.#push(encodeVarint(BigInt(field * 8 + wireType)));
  }

  #push(part: Uint8Array): void {
    this.#parts.push(part);
    this.#sizeBytes += part.length;
  }
}

function encodeVarint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}
