import { open } from 'node:fs/promises';

/** whisper.cpp's files begin with this number (GGML_FILE_MAGIC in ggml.h), little-endian. */
const GGML_MAGIC = 0x67676d6c;

/** Numbers at the beginning of a Whisper file, in the order in which whisper.cpp's `whisper_model_load` reads them. */
export interface WhisperHeader {
  readonly vocabularySize: number;
  readonly audioLayers: number;
  readonly textLayers: number;
  readonly melBands: number;
  /** Of the network, not of a file that lies about it. */
  readonly multilingual: boolean;
}

/** What makes a file unusable as the kind its name promises, in words; undefined: nothing that its first bytes show. */
export async function wrongKind(path: string, name: string): Promise<string | undefined> {
  const head = await readHead(path);
  if (/\.(onnx|ort)$/i.test(name)) return isOnnx(head) ? undefined : `${name} is no ONNX model`;
  if (/\.json$/i.test(name))
    return /^\s*[[{]/.test(head.toString('latin1')) ? undefined : `${name} is no JSON`;
  if (!/\.(bin|ggml)$/i.test(name)) return undefined;
  if (isGgml(head)) return undefined;
  return head.toString('latin1', 0, 4) === 'GGUF'
    ? `${name} is a GGUF file; whisper.cpp takes the older ggml format (files named ggml-*.bin)`
    : `${name} is no ggml model`;
}

/** What shows that a ggml file holds another kind of network than it should, in words; undefined: nothing that its header shows. */
export async function wrongNetwork(
  path: string,
  name: string,
  architecture: 'whisper' | 'parakeet',
): Promise<string | undefined> {
  const isWhisper = (await readWhisperHeader(path)) !== undefined;
  if (architecture === 'parakeet') return isWhisper ? `${name} is a Whisper model` : undefined;
  return isWhisper ? undefined : `${name} has no header of a Whisper model`;
}

/** Reads the header of a ggml Whisper file; undefined when its numbers are those of no Whisper network. */
export async function readWhisperHeader(path: string): Promise<WhisperHeader | undefined> {
  const head = await readHead(path);
  if (!isGgml(head) || head.length < 48) return undefined;
  const numbers = Array.from({ length: 11 }, (_, index) => head.readInt32LE(4 + 4 * index));
  const [
    vocabularySize = 0,
    audioContext = 0,
    ,
    ,
    audioLayers = 0,
    textContext = 0,
    ,
    ,
    textLayers = 0,
    melBands = 0,
  ] = numbers;
  const plausible =
    vocabularySize > 0 &&
    vocabularySize < 1_000_000 &&
    audioContext > 0 &&
    textContext > 0 &&
    [80, 128].includes(melBands) &&
    [audioLayers, textLayers].every((layers) => layers > 0 && layers <= 128);
  if (!plausible) return undefined;
  // whisper.cpp, `whisper_vocab::is_multilingual`: n_vocab >= 51865.
  return { vocabularySize, audioLayers, textLayers, melBands, multilingual: vocabularySize >= 51_865 };
}

export function isGgml(head: Buffer): boolean {
  return head.length >= 4 && head.readUInt32LE(0) === GGML_MAGIC;
}

/** A ModelProto begins with its format's version: field 1, a small number (onnx.proto); ONNX Runtime's own format says ORTM. */
function isOnnx(head: Buffer): boolean {
  if (head.toString('latin1', 4, 8) === 'ORTM') return true;
  const version = head[1] ?? 0;
  return head[0] === 0x08 && version > 0 && version < 64;
}

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
