/** Frames in a row that must fit together: two bytes of sync alone occur in any noise. */
const CHAIN_FRAMES = 3;

/**
 * Looks for MPEG audio (mp1, mp2, mp3) or ADTS AAC: the first place from which each frame's length leads to another
 * frame of the same kind. A chain that starts at byte 0 may be cut short by the end of the bytes.
 */
export function findMpegAudio(bytes: Uint8Array): 'mp3' | 'aac' | undefined {
  for (let start = 0; start + 4 <= bytes.length; start += 1) {
    if (bytes[start] !== 0xff) continue;
    if (isChain(bytes, start, mpegFrameLength)) return 'mp3';
    if (isChain(bytes, start, adtsFrameLength)) return 'aac';
  }
  return undefined;
}

function isChain(
  bytes: Uint8Array,
  start: number,
  frameLength: (bytes: Uint8Array, at: number) => number,
): boolean {
  let position = start;
  for (let frame = 0; frame < CHAIN_FRAMES; frame += 1) {
    if (frame > 0 && start === 0 && position >= bytes.length) return true;
    const length = frameLength(bytes, position);
    if (length === 0) return false;
    position += length;
  }
  return true;
}

/** Kilobits a second by version and layer (ISO 11172-3 table 2.4.2.3, ISO 13818-3 for the low rates). */
const BITRATES = {
  mpeg1: {
    1: [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    2: [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    3: [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  },
  mpeg2: {
    1: [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    2: [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    3: [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
  },
} as const;
const SAMPLE_RATES = [44_100, 48_000, 32_000] as const;

/** Bytes of the MPEG audio frame at `at`, 0 when there is none. */
function mpegFrameLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  const third = bytes[at + 2] ?? 0;
  if (first !== 0xff || (second & 0xe0) !== 0xe0) return 0;
  const version = (second >> 3) & 3;
  const layer = 4 - ((second >> 1) & 3);
  const baseRate = SAMPLE_RATES[(third >> 2) & 3];
  if (version === 1 || (layer !== 1 && layer !== 2 && layer !== 3) || baseRate === undefined) return 0;
  const kilobits = BITRATES[version === 3 ? 'mpeg1' : 'mpeg2'][layer][(third >> 4) - 1];
  if (kilobits === undefined) return 0;
  const sampleRate = version === 3 ? baseRate : version === 2 ? baseRate / 2 : baseRate / 4;
  const padding = (third >> 1) & 1;
  if (layer === 1) return (Math.floor((12_000 * kilobits) / sampleRate) + padding) * 4;
  const samplesOver8 = layer === 3 && version !== 3 ? 72 : 144;
  return Math.floor((samplesOver8 * 1000 * kilobits) / sampleRate) + padding;
}

/** Bytes of the ADTS frame at `at` (ISO 14496-3 1.A.2), 0 when there is none. */
function adtsFrameLength(bytes: Uint8Array, at: number): number {
  const second = bytes[at + 1] ?? 0;
  const third = bytes[at + 2] ?? 0;
  if (bytes[at] !== 0xff || (second & 0xf6) !== 0xf0 || ((third >> 2) & 15) > 12) return 0;
  const length =
    (((bytes[at + 3] ?? 0) & 3) << 11) | ((bytes[at + 4] ?? 0) << 3) | ((bytes[at + 5] ?? 0) >> 5);
  return length > 7 ? length : 0;
}
