import { type FileHandle, open } from 'node:fs/promises';

/** What the head of a model file says. */
export interface GgmlModel {
  readonly architecture: 'whisper' | 'parakeet';
  /** Whether it has tokens for languages and tasks. */
  readonly multilingual: boolean;
}

interface GgmlHead extends GgmlModel {
  /** What the head says of the shapes of some tensors; whisper.cpp takes memory by it before it sees them. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

const MAGIC = 0x67676d6c;
/** Whisper's vocabularies begin at 51,864 tokens; whisper.cpp takes Parakeet's up to 8,192. */
const FEWEST_WHISPER_TOKENS = 51_864;
const MOST_PARAKEET_TOKENS = 8192;
/** Bins of the 400-point transform that whisper.cpp computes. */
const WHISPER_BINS = 201;
/** No real model comes near; a damaged file does. */
const LARGEST_FIELD = 65_536;
const LONGEST_PIECE = 1024;

/** Elements and bytes of a block, by ggml's number of the type (ggml.c, `type_traits`). */
const BLOCKS: Readonly<Record<number, readonly [elements: number, bytes: number]>> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  9: [32, 36],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  15: [256, 292],
  20: [32, 18],
  26: [1, 4],
  30: [1, 2],
};

/** Of `ggml_ftype` those that stand for one type: f32, f16, the quantised ones of 4, 5 and 8 bits, the K ones, bf16. */
const WEIGHT_TYPES = new Set([0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 24]);

/**
 * Walks a model file from its head to its last tensor without reading the weights. whisper.cpp itself takes a file that ends inside
 * its last tensor, and one without tensors, for whole, and ends the process on some damaged heads.
 *
 * Throws an error that says what is wrong, never with a path.
 */
export async function inspectGgml(path: string): Promise<GgmlModel> {
  const file = await open(path, 'r');
  try {
    const reader = new Reader(file, (await file.stat()).size);
    const { shapes, ...model } = await readHead(reader);
    const tensors = await walkTensors(reader);
    for (const [name, shape] of Object.entries(shapes))
      if (tensors.get(name) !== shape.join()) throw damaged(`its head does not fit its tensor ${name}`);
    return model;
  } finally {
    await file.close();
  }
}

async function readHead(reader: Reader): Promise<GgmlHead> {
  const magic = reader.sizeBytes < 4 ? 0 : await reader.int32();
  if (magic !== MAGIC)
    throw new Error(
      `expected a ggml model file (it begins with "lmgg"), got ${reader.sizeBytes === 0 ? 'an empty file' : 'something else'}`,
    );
  const tokens = await reader.int32();
  if (tokens >= FEWEST_WHISPER_TOKENS && tokens <= LARGEST_FIELD) return readWhisper(reader, tokens);
  if (tokens > 0 && tokens <= MOST_PARAKEET_TOKENS) return readParakeet(reader, tokens);
  throw new Error(`the model file is neither Whisper nor Parakeet: its vocabulary has ${tokens} tokens`);
}

async function readWhisper(reader: Reader, tokens: number): Promise<GgmlHead> {
  const [audioContext = 0, audioState = 0, audioHeads = 1, layers = 0] = await readFields(reader, 4);
  const [textContext = 0, textState = 0, textHeads = 1, textLayers = 0, bands = 0] = await readFields(
    reader,
    5,
  );
  await readWeightType(reader);
  const filters = await skipFilters(reader);
  const fits = filters.rows === bands && filters.columns === WHISPER_BINS;
  if (!fits || audioState % audioHeads !== 0 || textState % textHeads !== 0)
    throw damaged('the sizes in its head do not fit together');
  // The loader looks the piece of one space up without asking whether it is there.
  if (!(await readVocabulary(reader)).includes(' ')) throw damaged('its vocabulary has no space');
  return {
    architecture: 'whisper',
    multilingual: tokens > FEWEST_WHISPER_TOKENS,
    shapes: {
      'encoder.positional_embedding': [audioState, audioContext],
      'encoder.conv1.weight': [3, bands, textState],
      [`encoder.blocks.${layers - 1}.attn.key.weight`]: [audioState, audioState],
      'decoder.positional_embedding': [textState, textContext],
      'decoder.token_embedding.weight': [audioState, tokens],
      [`decoder.blocks.${textLayers - 1}.attn.key.weight`]: [textState, textState],
    },
  };
}

async function readParakeet(reader: Reader, tokens: number): Promise<GgmlHead> {
  const [, state = 0, heads = 1, layers = 0] = await readFields(reader, 5);
  await readWeightType(reader);
  const [, , , , hidden = 0, , durations = 0] = await readFields(reader, 8);
  if (state % heads !== 0) throw damaged('the sizes in its head do not fit together');
  await skipFilters(reader);
  reader.skip((await reader.field('samples of its window')) * 4);
  reader.skip(durations * 4);
  await readVocabulary(reader);
  return {
    architecture: 'parakeet',
    multilingual: false,
    shapes: {
      'encoder.pre_encode.out.bias': [state],
      [`encoder.layers.${layers - 1}.self_attn.linear_k.weight`]: [state, state],
      'decoder.prediction.embed.weight': [hidden, tokens + 1],
      'joint.joint_net.2.bias': [tokens + 1 + durations],
    },
  };
}

/** ggml's numbers of the type most weights have, the version of the quantisation in thousands. */
async function readWeightType(reader: Reader): Promise<void> {
  const type = await reader.int32();
  if (!WEIGHT_TYPES.has(type % 1000)) throw damaged(`its weights have the unknown type ${type}`);
}

async function readFields(reader: Reader, count: number): Promise<number[]> {
  const values: number[] = [];
  while (values.length < count) values.push(await reader.field('a size in its head'));
  return values;
}

async function skipFilters(reader: Reader): Promise<{ readonly rows: number; readonly columns: number }> {
  const rows = await reader.field('mel bands');
  const columns = await reader.field('mel bins');
  reader.skip(rows * columns * 4);
  return { rows, columns };
}

async function readVocabulary(reader: Reader): Promise<string[]> {
  const count = await reader.field('pieces of its vocabulary');
  const pieces: string[] = [];
  while (pieces.length < count) {
    const length = await reader.int32();
    if (length < 0 || length > LONGEST_PIECE) throw damaged(`a piece of its vocabulary has ${length} bytes`);
    pieces.push((await reader.bytes(length)).toString('latin1'));
  }
  return pieces;
}

/** Their shapes by name, as text, without dimensions of 1 at the end. */
async function walkTensors(reader: Reader): Promise<Map<string, string>> {
  const tensors = new Map<string, string>();
  while (!reader.atEnd) {
    const [dimensions, nameLength, type] = [await reader.int32(), await reader.int32(), await reader.int32()];
    if (dimensions < 1 || dimensions > 4) throw damaged(`a tensor has ${dimensions} dimensions`);
    const shape: number[] = [];
    while (shape.length < dimensions) shape.push(await reader.int32());
    if (nameLength < 1 || nameLength > LONGEST_PIECE)
      throw damaged(`a tensor's name has ${nameLength} bytes`);
    const name = (await reader.bytes(nameLength)).toString('latin1');
    const block = BLOCKS[type];
    if (block === undefined) throw damaged(`the tensor ${name} has the unknown type ${type}`);
    if (shape.some((size) => size < 1))
      throw damaged(`the tensor ${name} has the shape ${shape.join(' x ')}`);
    const elements = shape.reduce((product, size) => product * size, 1);
    reader.skip(Math.ceil(elements / block[0]) * block[1]);
    tensors.set(name, shape.join().replace(/(,1)+$/, ''));
  }
  if (tensors.size === 0) throw damaged('it holds no weights');
  return tensors;
}

function damaged(why: string): Error {
  return new Error(`the model file is damaged: ${why}; get it again`);
}

/** Reads a file forward in blocks; weights are skipped, not read. */
class Reader {
  readonly sizeBytes: number;
  readonly #file: FileHandle;
  #block = Buffer.alloc(0);
  #blockStart = 0;
  #position = 0;

  constructor(file: FileHandle, sizeBytes: number) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
  }

  get atEnd(): boolean {
    return this.#position === this.sizeBytes;
  }

  async int32(): Promise<number> {
    return (await this.bytes(4)).readInt32LE();
  }

  /** A count that a sound file has above 0 and within reason. */
  async field(what: string): Promise<number> {
    const value = await this.int32();
    if (value < 1 || value > LARGEST_FIELD) throw damaged(`it says ${value} for ${what}`);
    return value;
  }

  async bytes(length: number): Promise<Buffer> {
    const start = this.#position;
    this.skip(length);
    if (start < this.#blockStart || this.#position > this.#blockStart + this.#block.length) {
      const block = Buffer.alloc(Math.min(Math.max(length, 16_384), this.sizeBytes - start));
      const { bytesRead } = await this.#file.read(block, 0, block.length, start);
      if (bytesRead < length) throw damaged('it became shorter while it was read');
      this.#block = block.subarray(0, bytesRead);
      this.#blockStart = start;
    }
    return this.#block.subarray(start - this.#blockStart, this.#position - this.#blockStart);
  }

  skip(length: number): void {
    this.#position += length;
    if (this.#position > this.sizeBytes)
      throw damaged(
        `it ends after ${this.sizeBytes} bytes, ${this.#position - this.sizeBytes} or more are missing`,
      );
  }
}
