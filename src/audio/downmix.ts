/** How one sample is stored in a WAV file. Multi-byte samples are little-endian; `u8` is offset by 128. */
export type SampleFormat = 'u8' | 's16' | 's24' | 's32' | 'f32' | 'f64' | 'alaw' | 'mulaw';

export const BYTES_PER_SAMPLE: Readonly<Record<SampleFormat, number>> = {
  u8: 1,
  s16: 2,
  s24: 3,
  s32: 4,
  f32: 4,
  f64: 8,
  alaw: 1,
  mulaw: 1,
};

/**
 * Interleaved frames to mono: the mean of the channels, in [-1, 1] for integer formats. Samples that are no numbers
 * count as silence. A rest smaller than a frame is left out.
 */
export function downmix(bytes: Buffer, format: SampleFormat, channels: number): Float32Array {
  const sampleBytes = BYTES_PER_SAMPLE[format];
  const frames = Math.floor(bytes.length / (sampleBytes * channels));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = READERS[format];
  const mono = new Float32Array(frames);
  let offset = 0;
  for (let frame = 0; frame < frames; frame += 1) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) {
      sum += read(view, offset);
      offset += sampleBytes;
    }
    const mean = sum / channels;
    mono[frame] = Number.isFinite(mean) ? mean : 0;
  }
  return mono;
}

const READERS: Readonly<Record<SampleFormat, (view: DataView, offset: number) => number>> = {
  u8: (view, offset) => (view.getUint8(offset) - 128) / 128,
  s16: (view, offset) => view.getInt16(offset, true) / 32_768,
  s24: (view, offset) => (view.getUint16(offset, true) + view.getInt8(offset + 2) * 65_536) / 8_388_608,
  s32: (view, offset) => view.getInt32(offset, true) / 2_147_483_648,
  f32: (view, offset) => view.getFloat32(offset, true),
  f64: (view, offset) => view.getFloat64(offset, true),
  alaw: (view, offset) => ALAW[view.getUint8(offset)] ?? 0,
  mulaw: (view, offset) => MULAW[view.getUint8(offset)] ?? 0,
};

/** ITU-T G.711 tables 1a and 2a, scaled from 13 and 14 bits to [-1, 1]. */
const ALAW = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = code ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const mantissa = bits & 15;
  const magnitude = exponent === 0 ? mantissa * 16 + 8 : (mantissa * 16 + 264) << (exponent - 1);
  return (bits & 0x80 ? magnitude : -magnitude) / 32_768;
});
const MULAW = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 0xff;
  const magnitude = ((((bits & 15) << 3) + 132) << ((bits >> 4) & 7)) - 132;
  return (bits & 0x80 ? -magnitude : magnitude) / 32_768;
});

/** To signed 16-bit, rounded, clipped at full scale. Exact for samples that came from 16 bits. */
export function toSigned16(samples: Float32Array): Int16Array {
  const result = new Int16Array(samples.length);
  for (let index = 0; index < samples.length; index += 1) {
    const value = Math.round((samples[index] ?? 0) * 32_768);
    result[index] = value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value;
  }
  return result;
}
