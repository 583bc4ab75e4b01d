import type { FileHandle } from 'node:fs/promises';
import { InvalidAudioError } from '../errors.ts';
import { BYTES_PER_SAMPLE, type SampleFormat } from './downmix.ts';
import { requireWithinLimits } from './sound-limits.ts';

/** Where the sound of a WAV file lies and how its samples are stored. */
export interface WavLayout {
  readonly format: SampleFormat;
  readonly channels: number;
  /** Frames a second. */
  readonly sampleRate: number;
  readonly dataOffsetBytes: number;
  /** Whole frames that are really in the file, whatever the header claims. */
  readonly frames: number;
  /** The header promises more than the file holds. */
  readonly truncated: boolean;
}

/** A file of a hundred thousand empty chunks is no recording. */
const MAXIMUM_CHUNKS = 4_096;

/**
 * Sizes from here on are what programs write that do not know the length yet (0xFFFFFFFF, or 2 GiB less a header);
 * together with 0 they mean "to the end of the file".
 */
const UNKNOWN_SIZE_FROM = 0x7fff_0000;

/**
 * Reads a RIFF, RF64 or BW64 header. Undefined when the sound in it is compressed or big-endian, which ffmpeg has to
 * read. Throws InvalidAudioError for a damaged header, and for rates and channel counts outside the limits.
 */
export async function readWavLayout(file: FileHandle, sizeBytes: number): Promise<WavLayout | undefined> {
  const readAt = await openHead(file);
  const id = (await readAt(0, 4)).toString('latin1');
  if (id === 'RIFX') return undefined;
  const { format, data } = await findChunks(readAt, sizeBytes);
  if (format === undefined) throw new InvalidAudioError('its WAV header has no complete format chunk');
  if (data === undefined) throw new InvalidAudioError('it is a WAV file without a data chunk');
  const coding = readCoding(format);
  if (coding === undefined) return undefined;
  requireWithinLimits(coding);
  const available = Math.max(0, sizeBytes - data.offset);
  const openEnded = data.size === 0 || (data.size > available && data.size >= UNKNOWN_SIZE_FROM);
  const dataBytes = openEnded ? available : Math.min(data.size, available);
  const frameBytes = BYTES_PER_SAMPLE[coding.format] * coding.channels;
  return {
    ...coding,
    dataOffsetBytes: data.offset,
    frames: Math.floor(dataBytes / frameBytes),
    truncated: !openEnded && data.size > available,
  };
}

interface Chunks {
  readonly format?: Buffer | undefined;
  readonly data?: { readonly offset: number; readonly size: number } | undefined;
}

/** Walks the chunks in whatever order they come until both that matter are found. */
async function findChunks(readAt: ReadAt, sizeBytes: number): Promise<Chunks> {
  let format: Buffer | undefined;
  let data: Chunks['data'];
  let longDataSize: number | undefined;
  let position = 12;
  for (let count = 0; count < MAXIMUM_CHUNKS && position + 8 <= sizeBytes; count += 1) {
    const header = await readAt(position, 9);
    const skewed = isMissingPad(header, position);
    if (skewed) position -= 1;
    const [id, size] = chunkHeader(skewed ? await readAt(position, 8) : header);
    const content = position + 8;
    if (id === 'fmt ' && format === undefined) {
      const bytes = await readAt(content, Math.min(size, 40));
      if (bytes.length >= 14) format = bytes;
    } else if (id === 'ds64') {
      const bytes = await readAt(content, 16);
      if (bytes.length === 16) longDataSize = Number(bytes.readBigUInt64LE(8));
    } else if (id === 'data' && data === undefined) {
      data = { offset: content, size: size === 0xffff_ffff ? (longDataSize ?? size) : size };
    }
    if (format !== undefined && data !== undefined) break;
    position = content + (id === 'data' ? (data?.size ?? size) : size);
    position += position % 2;
  }
  return { format, data };
}

/** Some programs leave out the pad byte behind a chunk of odd size: then a known name starts one byte earlier. */
function isMissingPad(header: Buffer, position: number): boolean {
  const name = header.toString('latin1', 0, 3);
  return position > 12 && (name === 'ata' || name === 'mt ');
}

function chunkHeader(bytes: Buffer): [id: string, size: number] {
  return [bytes.toString('latin1', 0, 4), bytes.readUInt32LE(4)];
}

interface Coding {
  readonly format: SampleFormat;
  readonly channels: number;
  readonly sampleRate: number;
}

const TAG_EXTENSIBLE = 0xfffe;
/** Last 14 bytes of KSDATAFORMAT_SUBTYPE_*; the first two are the plain tag. */
const SUBTYPE_TAIL = '000000001000800000aa00389b71';

/** Undefined: a coding that is not ours. Field offsets: WAVEFORMATEX, WAVEFORMATEXTENSIBLE (Microsoft mmreg.h). */
function readCoding(format: Buffer): Coding | undefined {
  let tag = format.readUInt16LE(0);
  if (tag === TAG_EXTENSIBLE && format.length >= 40) {
    if (format.toString('hex', 26, 40) !== SUBTYPE_TAIL) return undefined;
    tag = format.readUInt16LE(24);
  }
  const channels = format.readUInt16LE(2);
  const frameBytes = format.readUInt16LE(12);
  const bits = format.length >= 16 ? format.readUInt16LE(14) : 0;
  const sampleFormat = sampleFormatOf(tag, sampleBytesOf(bits, frameBytes, channels));
  if (sampleFormat === undefined) return undefined;
  return { format: sampleFormat, channels, sampleRate: format.readUInt32LE(4) };
}

/** Samples of 12, 20 or 24 bits may lie left-justified in more bytes; then the frame size tells. */
function sampleBytesOf(bits: number, frameBytes: number, channels: number): number {
  const least = Math.ceil(bits / 8);
  const stored = channels === 0 ? 0 : frameBytes / channels;
  return Number.isInteger(stored) && stored >= least && stored <= 8 && stored > 0 ? stored : least;
}

function sampleFormatOf(tag: number, sampleBytes: number): SampleFormat | undefined {
  if (tag === 1) return ([undefined, 'u8', 's16', 's24', 's32'] as const)[sampleBytes];
  if (tag === 3) return sampleBytes === 4 ? 'f32' : sampleBytes === 8 ? 'f64' : undefined;
  if (tag === 6 && sampleBytes === 1) return 'alaw';
  if (tag === 7 && sampleBytes === 1) return 'mulaw';
  return undefined;
}

/** Reads so many bytes, or what there is of them. */
type ReadAt = (position: number, length: number) => Promise<Buffer>;

/** All chunks before the sound, as a rule. */
const HEAD_BYTES = 1024;

/** Reads the first bytes at once: each look at the file is a turn of the event loop and of another thread. */
async function openHead(file: FileHandle): Promise<ReadAt> {
  const read: ReadAt = async (position, length) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  };
  const head = await read(0, HEAD_BYTES);
  return async (position, length) =>
    position + length <= head.length ? head.subarray(position, position + length) : read(position, length);
}
