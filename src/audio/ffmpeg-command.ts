import { resolve } from 'node:path';
import { SAMPLE_RATE } from './audio.ts';
import type { FfmpegUsers } from './ffmpeg-users.ts';

/** Programs that fence ffmpeg in, as argument prefixes; only those that were seen to work on this machine. */
export interface Guards {
  /** unshare: no network at all. */
  readonly network?: readonly string[];
  /** prlimit: memory, processor time, file size, descriptors. */
  readonly limits?: readonly string[];
  /** setpriv: no new privileges, and death together with the server. */
  readonly privileges?: readonly string[];
  /**
   * unshare once more, which changes the user without asking any directory for its name: ids from `first` on, each decoder its own.
   * Only for a server that is root.
   */
  readonly users?: FfmpegUsers & { readonly program: string };
}

/** Where a decoder with a user of its own finds the recording: it may not enter the folder, so it gets the open file. */
export const INPUT_DESCRIPTOR = 3;

export interface FfmpegInput {
  readonly path: string;
  /** The one demuxer that may run. */
  readonly demuxer: string;
  /** The user it runs as; it then reads INPUT_DESCRIPTOR instead of the path. */
  readonly userId?: number;
  /** A large file: its decoder steps back for shorter work when the machine is short of cores. */
  readonly background?: boolean;
  /** Sound without any header of its own: how it is stored and where it lies. */
  readonly raw?: RawSound;
}

export interface RawSound {
  readonly sampleRate: number;
  readonly channels: number;
  readonly offsetBytes: number;
  /** Other bytes may follow the sound. */
  readonly seconds: number;
}

/**
 * Decoders that may run, by their names in ffmpeg 4 to 8; a build without one of them has nothing to refuse. Sound
 * only, and only what the containers of sniff.ts commonly hold: a short list is little surface (reliability.md T2).
 * The lib* entries serve builds without the native one.
 */
const DECODERS = [
  'mp3float mp3 mp2float mp2 mp1float mp1 aac aac_latm libfdk_aac alac flac vorbis libvorbis opus libopus speex libspeex',
  'wavpack wmav1 wmav2 wmapro wmavoice wmalossless ac3 ac3_fixed eac3 nellymoser',
  'amrnb amrwb libopencore_amrnb libopencore_amrwb gsm gsm_ms libgsm libgsm_ms g722 g726 g726le',
  'adpcm_ms adpcm_ima_wav adpcm_ima_qt adpcm_yamaha adpcm_swf',
  'pcm_alaw pcm_mulaw pcm_u8 pcm_s8 pcm_u16le pcm_u16be pcm_s16le pcm_s16be pcm_s16le_planar pcm_s16be_planar pcm_s8_planar',
  'pcm_u24le pcm_u24be pcm_s24le pcm_s24be pcm_s24le_planar pcm_u32le pcm_u32be pcm_s32le pcm_s32be pcm_s32le_planar',
  'pcm_s64le pcm_s64be pcm_f32le pcm_f32be pcm_f64le pcm_f64be pcm_f16le pcm_f24le pcm_dvd pcm_bluray',
]
  .join(' ')
  .replaceAll(' ', ',');

const ADDRESS_SPACE_BYTES = 1024 ** 3;
const DESCRIPTORS = 64;
/** Processor seconds for any file, and for each second that may be decoded (ffmpeg needs about 1/500). */
const LEAST_CPU_SECONDS = 120;
const CPU_SECONDS_PER_SECOND = 0.05;

/**
 * Guards, ffmpeg and its arguments as one array; up to `maximumSeconds` of raw mono s16le at SAMPLE_RATE comes out of
 * standard output.
 */
export function ffmpegCommand(
  ffmpeg: { readonly path: string; readonly guards: Guards },
  input: FfmpegInput,
  maximumSeconds: number,
): readonly string[] {
  const { guards } = ffmpeg;
  return [
    ...networkAndUser(guards, input.userId),
    ...(guards.limits === undefined ? [] : [...guards.limits, ...limits(maximumSeconds)]),
    ...(guards.privileges ?? []),
    ffmpeg.path,
    ...['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'level+info', '-threads', '1'],
    ...['-protocol_whitelist', 'file', '-format_whitelist', input.demuxer, '-codec_whitelist', DECODERS],
    ...rawInput(input.raw),
    ...['-f', input.demuxer, '-i', `file:${inputPath(input)}`],
    ...['-map', '0:a:0', '-vn', '-sn', '-dn', '-map_metadata', '-1', '-map_chapters', '-1'],
    ...[
      '-t',
      String(Math.min(maximumSeconds, input.raw?.seconds ?? Infinity)),
      ...mix(input.raw),
      '-ac',
      '1',
      '-ar',
      String(SAMPLE_RATE),
    ],
    ...['-flush_packets', '0', '-f', 's16le', 'pipe:1'],
  ];
}

/** First of all: whoever has given up being root may not leave the network any more. */
function networkAndUser({ network, users }: Guards, id: number | undefined): readonly string[] {
  if (id === undefined || users === undefined) return network ?? [];
  return [...(network ?? [users.program]), `--setgid=${id}`, `--setuid=${id}`];
}

function inputPath({ path, userId }: FfmpegInput): string {
  return userId === undefined ? resolve(path) : `/proc/self/fd/${INPUT_DESCRIPTOR}`;
}

function limits(maximumSeconds: number): readonly string[] {
  return [
    `--as=${ADDRESS_SPACE_BYTES}`,
    `--cpu=${Math.ceil(Math.max(LEAST_CPU_SECONDS, maximumSeconds * CPU_SECONDS_PER_SECOND))}`,
    `--fsize=${Math.ceil(maximumSeconds + 1) * SAMPLE_RATE * 2}`,
    `--nofile=${DESCRIPTORS}`,
    '--core=0',
  ];
}

function rawInput(raw: FfmpegInput['raw']): readonly string[] {
  if (raw === undefined) return [];
  return [
    '-ar',
    String(raw.sampleRate),
    '-ac',
    String(raw.channels),
    '-skip_initial_bytes',
    String(raw.offsetBytes),
  ];
}

/** The mean of all channels, as downmix.ts makes it; ffmpeg's own mix knows no layout for nine channels or more. */
function mix(raw: FfmpegInput['raw']): readonly string[] {
  if (raw === undefined || raw.channels === 1) return [];
  const terms = Array.from({ length: raw.channels }, (_, channel) => `${1 / raw.channels}*c${channel}`);
  return ['-af', `pan=mono|c0=${terms.join('+')}`];
}
