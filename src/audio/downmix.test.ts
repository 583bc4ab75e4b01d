import { describe, expect, it } from 'vitest';
import { downmix, toSigned16 } from './downmix.ts';

describe('downmix', () => {
  it('gives the mean of the channels', () => {
    const bytes = Buffer.alloc(12);
    [16_384, 0, -16_384, 8_192, 8_192, 8_192].forEach(
      (value, index) => void bytes.writeInt16LE(value, index * 2),
    );
    expect([...downmix(bytes, 's16', 3)]).toEqual([0, 0.25]);
  });

  it('reads each format at full scale and at rest', () => {
    expect([...downmix(Buffer.from([0, 128, 255]), 'u8', 1)]).toEqual([-1, 0, 127 / 128]);
    expect([...downmix(Buffer.from('000080ffff7f000000', 'hex'), 's24', 1)]).toEqual([
      -1,
      Math.fround(1 - 2 ** -23),
      0,
    ]);
    expect([...downmix(Buffer.from('00000080', 'hex'), 's32', 1)]).toEqual([-1]);
    const float64 = Buffer.alloc(8);
    float64.writeDoubleLE(-0.25);
    expect([...downmix(float64, 'f64', 1)]).toEqual([-0.25]);
  });

  it('expands A-law and mu-law as G.711 says', () => {
    // Table values of ITU-T G.711: the quietest and the loudest code of each sign, on 16 bits.
    expect(
      [...downmix(Buffer.from([0xd5, 0x55, 0xaa, 0x2a]), 'alaw', 1)].map((value) => value * 32_768),
    ).toEqual([8, -8, 32_256, -32_256]);
    expect([...downmix(Buffer.from([0xff, 0x80, 0x00]), 'mulaw', 1)].map((value) => value * 32_768)).toEqual([
      0, 32_124, -32_124,
    ]);
  });

  it('takes what is no number for silence and drops half a frame', () => {
    const bytes = Buffer.alloc(10);
    bytes.writeFloatLE(Number.NaN, 0);
    bytes.writeFloatLE(Number.POSITIVE_INFINITY, 4);
    expect([...downmix(bytes, 'f32', 1)]).toEqual([0, 0]);
  });
});

describe('toSigned16', () => {
  it('is exact for what came from 16 bits, and clips the rest', () => {
    const bytes = Buffer.alloc(65_536 * 2);
    for (let value = -32_768; value < 32_768; value += 1) bytes.writeInt16LE(value, (value + 32_768) * 2);
    expect(Buffer.from(toSigned16(downmix(bytes, 's16', 1)).buffer).equals(bytes)).toBe(true);
    expect([...toSigned16(Float32Array.of(1.5, -1.5, 1))]).toEqual([32_767, -32_768, 32_767]);
  });
});
