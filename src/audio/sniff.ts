import type { FileHandle } from 'node:fs/promises';
import { findMpegAudio } from './mpeg-frame.ts';

/**
 * What a recording is, judged by its first bytes alone: a client's file name and declared type are never asked.
 *
 * The list is closed on purpose (reliability.md T1, T2): the nine formats of the API's contract, and beside them
 * containers that people's recorders write (aiff, w64, caf, au, amr, wma, avi, flv, transport streams, ac3, wavpack).
 * Every one of them holds its sound itself. Formats that name other files or addresses (HLS, DASH, concat scripts,
 * SDP, play lists, EDLs) and all text formats are absent: ffmpeg's own guess would open what they point at.
 */
export type Container =
  | 'wav'
  | 'mp3'
  | 'mp4'
  | 'flac'
  | 'ogg'
  | 'matroska'
  | 'mpeg-ps'
  | 'mpeg-ts'
  | 'aac'
  | 'aiff'
  | 'w64'
  | 'caf'
  | 'au'
  | 'amr'
  | 'asf'
  | 'avi'
  | 'flv'
  | 'ac3'
  | 'eac3'
  | 'wavpack';

/** The one ffmpeg demuxer that may read each container; passed as `-f` and as the whole format whitelist. */
export const DEMUXERS: Readonly<Record<Container, string>> = {
  wav: 'wav',
  mp3: 'mp3',
  mp4: 'mov',
  flac: 'flac',
  ogg: 'ogg',
  matroska: 'matroska',
  'mpeg-ps': 'mpeg',
  'mpeg-ts': 'mpegts',
  aac: 'aac',
  aiff: 'aiff',
  w64: 'w64',
  caf: 'caf',
  au: 'au',
  amr: 'amr',
  asf: 'asf',
  avi: 'avi',
  flv: 'flv',
  ac3: 'ac3',
  eac3: 'eac3',
  wavpack: 'wv',
};

/** Enough for every signature and for the head of a tag. */
const HEAD_BYTES = 64;

/** Looked at where no signature stands: room for a few kilobytes of rubbish before the first mp3 frame. */
const WINDOW_BYTES = 64 * 1024;

/** Tags may stand one behind the other; more than this is no honest file. */
const MAXIMUM_TAGS = 8;

/**
 * Reads what is needed of an open file: its head, and where that is no signature, a window before and behind an ID3
 * tag. Undefined: nothing we decode.
 */
export async function sniffFile(file: FileHandle): Promise<Container | undefined> {
  let position = 0;
  for (let tags = 0; tags <= MAXIMUM_TAGS; tags += 1) {
    const head = await readBytes(file, position, HEAD_BYTES);
    const tagBytes = id3Length(head);
    if (tagBytes === 0) return bySignature(head) ?? sniff(await readBytes(file, position, WINDOW_BYTES));
    position += tagBytes;
  }
  return undefined;
}

/** Judges the first bytes (behind any ID3v2 tag) of a file. */
export function sniff(bytes: Uint8Array): Container | undefined {
  const container = bySignature(bytes);
  if (container !== undefined) return container;
  if (matches(bytes, 0, '\x0b\x77')) return ac3Kind(bytes);
  if (isTransportStream(bytes)) return 'mpeg-ts';
  return findMpegAudio(bytes);
}

function bySignature(bytes: Uint8Array): Container | undefined {
  const found = SIGNATURES.find(({ parts }) => parts.every(([offset, text]) => matches(bytes, offset, text)));
  return found?.container;
}

interface Signature {
  readonly container: Container;
  readonly parts: readonly (readonly [offset: number, latin1: string])[];
}

/**
 * Sources: the formats' own specifications; first match wins. Frame-synchronous formats (mp3, aac, ac3, transport
 * stream) are below.
 */
const SIGNATURES: readonly Signature[] = [
  ...['RIFF', 'RIFX', 'RF64', 'BW64'].map((id) => signature('wav', [0, id], [8, 'WAVE'])),
  signature('avi', [0, 'RIFF'], [8, 'AVI ']),
  signature('flac', [0, 'fLaC']),
  signature('ogg', [0, 'OggS']),
  signature('matroska', [0, '\x1a\x45\xdf\xa3']),
  signature('mp4', [4, 'ftyp']),
  // QuickTime before 2001 has no ftyp; fragments and live recordings may start with styp.
  ...['moov', 'mdat', 'wide', 'free', 'skip', 'pnot', 'styp'].map((atom) =>
    signature('mp4', [0, '\0'], [4, atom]),
  ),
  signature('mpeg-ps', [0, '\x00\x00\x01\xba']),
  signature('aiff', [0, 'FORM'], [8, 'AIFF']),
  signature('aiff', [0, 'FORM'], [8, 'AIFC']),
  signature('w64', [0, 'riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00']),
  signature('caf', [0, 'caff']),
  signature('au', [0, '.snd']),
  signature('amr', [0, '#!AMR']),
  signature('asf', [0, '\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c']),
  signature('flv', [0, 'FLV\x01']),
  signature('wavpack', [0, 'wvpk']),
];

function signature(container: Container, ...parts: Signature['parts']): Signature {
  return { container, parts };
}

function matches(bytes: Uint8Array, offset: number, latin1: string): boolean {
  if (bytes.length < offset + latin1.length) return false;
  for (let index = 0; index < latin1.length; index += 1) {
    if (bytes[offset + index] !== latin1.charCodeAt(index)) return false;
  }
  return true;
}

/** ATSC A/52: bsid in the top five bits of byte 5; up to 10 is AC-3, up to 16 is E-AC-3. */
function ac3Kind(bytes: Uint8Array): Container | undefined {
  const bsid = (bytes[5] ?? 0xff) >> 3;
  if (bsid <= 10) return 'ac3';
  return bsid <= 16 ? 'eac3' : undefined;
}

/** ISO 13818-1: the sync byte 0x47 every 188 bytes (192 with time codes, then it stands at offset 4). */
function isTransportStream(bytes: Uint8Array): boolean {
  const packets = 5;
  return [
    [0, 188],
    [4, 192],
  ].some(([offset = 0, length = 0]) => {
    for (let packet = 0; packet < packets; packet += 1) {
      if (bytes[offset + packet * length] !== 0x47) return false;
    }
    return true;
  });
}

/** Length of the ID3v2 tag that the bytes start with, header included; 0 when there is none. */
function id3Length(bytes: Uint8Array): number {
  if (!matches(bytes, 0, 'ID3') || bytes.length < 10) return 0;
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(6, 10);
  if ((a | b | c | d) & 0x80) return 0;
  const footerBytes = (bytes[5] ?? 0) & 0x10 ? 10 : 0;
  return 10 + (a << 21) + (b << 14) + (c << 7) + d + footerBytes;
}

async function readBytes(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
