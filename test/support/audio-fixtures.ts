import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** A recording kept in the repository; test/fixtures/audio/README.md says where each is from. */
export function fixturePath(name: 'jfk.wav'): string {
  return fileURLToPath(new URL(`../fixtures/audio/${name}`, import.meta.url));
}

/** Recordings that lie beside the repository on some machines. Tests of them are skipped by name where it is absent. */
export const SHARED_AUDIO = fileURLToPath(new URL('../../../shared/audio', import.meta.url));
export const hasSharedAudio = existsSync(SHARED_AUDIO);

/** Encoder and muxer of each file name extension that the API names. */
const ENCODINGS = {
  flac: ['-c:a', 'flac', '-f', 'flac'],
  mp3: ['-c:a', 'libmp3lame', '-b:a', '96k', '-f', 'mp3'],
  mpga: ['-c:a', 'mp2', '-b:a', '96k', '-f', 'mp2'],
  mpeg: ['-c:a', 'mp2', '-b:a', '96k', '-f', 'mpeg'],
  mp4: ['-c:a', 'aac', '-b:a', '96k', '-f', 'mp4'],
  m4a: ['-c:a', 'aac', '-b:a', '96k', '-f', 'ipod'],
  ogg: ['-c:a', 'libvorbis', '-f', 'ogg'],
  oga: ['-c:a', 'flac', '-f', 'ogg'],
  wav: ['-c:a', 'pcm_s24le', '-ar', '44100', '-f', 'wav'],
  webm: ['-c:a', 'libopus', '-b:a', '48k', '-f', 'webm'],
} as const;

export type FixtureContainer = keyof typeof ENCODINGS;

/** The nine containers of the API's contract, and oga, which is ogg under another name. */
export const CONTAINERS = Object.keys(ENCODINGS) as readonly FixtureContainer[];

/** Re-encodes a recording. `extra` goes before the output: filters, rates, durations. Rejects when ffmpeg is absent. */
export async function convertWithFfmpeg(
  input: string,
  container: FixtureContainer,
  outputPath: string,
  extra: readonly string[] = [],
): Promise<void> {
  await runFfmpeg(['-i', input, ...ENCODINGS[container], ...extra, outputPath]);
}

/** For fixtures that no table foresees; errors tell ffmpeg's own words. */
export async function runFfmpeg(args: readonly string[]): Promise<void> {
  await promisify(execFile)('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args]);
}

/** Value of a sound in [-1, 1] at a time in seconds; called in order, once a frame. */
export type Sound = (second: number) => number;

export const silence: Sound = () => 0;

export function tone(hertz: number, amplitude = 0.5): Sound {
  return (second) => amplitude * Math.sin(2 * Math.PI * hertz * second);
}

/** The C major scale up and down, four notes a second. */
export function melody(amplitude = 0.4): Sound {
  const semitones = [0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2];
  return (second) => {
    const hertz = 261.63 * 2 ** ((semitones[Math.floor(second * 4) % semitones.length] ?? 0) / 12);
    return amplitude * Math.sin(2 * Math.PI * hertz * second);
  };
}

export function whiteNoise(seed = 1, amplitude = 0.2): Sound {
  const random = randomNumbers(seed);
  return () => amplitude * (2 * random() - 1);
}

/** Voss and McCartney: white sources, each renewed half as often as the one before, sum to 1/f. */
export function pinkNoise(seed = 1, amplitude = 0.3): Sound {
  const random = randomNumbers(seed);
  const sources = new Float64Array(12);
  let count = 0;
  return () => {
    count += 1;
    for (let index = 0; index < sources.length && count % 2 ** index === 0; index += 1)
      sources[index] = 2 * random() - 1;
    return (amplitude * sources.reduce((sum, value) => sum + value, 0)) / sources.length;
  };
}

/** Even numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface WavOptions {
  readonly sampleRate?: number;
  readonly channels?: number;
  readonly seconds: number;
  /** The same in all channels. */
  readonly generate: Sound;
  readonly format?: 'u8' | 's16' | 's24' | 's32' | 'f32' | 'f64';
}

/** A whole WAV file in memory; 16 kHz mono 16 bits unless told. */
export function wavBytes(options: WavOptions): Buffer {
  const { sampleRate = 16_000, channels = 1, format = 's16' } = options;
  const sampleBytes = { u8: 1, s16: 2, s24: 3, s32: 4, f32: 4, f64: 8 }[format];
  const frames = Math.round(options.seconds * sampleRate);
  const data = Buffer.alloc(frames * channels * sampleBytes);
  let offset = 0;
  for (let frame = 0; frame < frames; frame += 1) {
    const value = options.generate(frame / sampleRate);
    for (let channel = 0; channel < channels; channel += 1) offset = WRITERS[format](data, value, offset);
  }
  const tag = format.startsWith('f') ? 3 : 1;
  return riff(
    chunk('fmt ', wavFormat({ tag, channels, sampleRate, bits: sampleBytes * 8 })),
    chunk('data', data),
  );
}

const WRITERS = {
  u8: (data: Buffer, value: number, offset: number) => data.writeUInt8(toInteger(value, 8) + 128, offset),
  s16: (data: Buffer, value: number, offset: number) => data.writeInt16LE(toInteger(value, 16), offset),
  s24: (data: Buffer, value: number, offset: number) => data.writeIntLE(toInteger(value, 24), offset, 3),
  s32: (data: Buffer, value: number, offset: number) => data.writeInt32LE(toInteger(value, 32), offset),
  f32: (data: Buffer, value: number, offset: number) => data.writeFloatLE(value, offset),
  f64: (data: Buffer, value: number, offset: number) => data.writeDoubleLE(value, offset),
};

function toInteger(value: number, bits: number): number {
  const half = 2 ** (bits - 1);
  return Math.max(-half, Math.min(half - 1, Math.round(value * half)));
}

export interface WavFormat {
  readonly tag: number;
  readonly channels: number;
  readonly sampleRate: number;
  readonly bits: number;
}

/** The 16 bytes of a `fmt ` chunk, for files with headers out of the ordinary. */
export function wavFormat(format: WavFormat): Buffer {
  const frameBytes = (format.channels * format.bits) / 8;
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(format.tag, 0);
  bytes.writeUInt16LE(format.channels, 2);
  bytes.writeUInt32LE(format.sampleRate, 4);
  bytes.writeUInt32LE((format.sampleRate * frameBytes) % 2 ** 32, 8);
  bytes.writeUInt16LE(frameBytes, 12);
  bytes.writeUInt16LE(format.bits, 14);
  return bytes;
}

/** A chunk with its pad byte; `size` is what its header claims, whatever is in it. */
export function chunk(id: string, content: Buffer, size = content.length): Buffer {
  const header = Buffer.alloc(8);
  header.write(id, 0, 'latin1');
  header.writeUInt32LE(size, 4);
  return Buffer.concat([header, content, Buffer.alloc(content.length % 2)]);
}

export function riff(...chunks: readonly Buffer[]): Buffer {
  const content = Buffer.concat([Buffer.from('WAVE'), ...chunks]);
  const header = Buffer.alloc(8);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(content.length % 2 ** 32, 4);
  return Buffer.concat([header, content]);
}
