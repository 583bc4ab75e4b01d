import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  chunk,
  fixturePath,
  riff,
  runFfmpeg,
  silence,
  tone,
  wavBytes,
  wavFormat,
} from '../../test/support/audio-fixtures.ts';
import { bestOf } from '../../test/support/best-of.ts';
import { turnsMs } from '../../test/support/turns.ts';
import { DecodeProgress } from './decode-progress.ts';
import { warmUpResampler } from './resample.ts';
import { convertWav, isReadyPcm } from './wav.ts';
import { readWavLayout, type WavLayout } from './wav-header.ts';

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-wav-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function layoutOf(bytes: Buffer): Promise<WavLayout | undefined> {
  const path = join(folder, 'layout.wav');
  await writeFile(path, bytes);
  const file = await open(path);
  return readWavLayout(file, bytes.length).finally(() => file.close());
}

/** Mono samples at 16 kHz in [-1, 1]. `during` may watch the conversion itself. */
async function convert(
  bytes: Buffer,
  during: (work: () => Promise<void>) => Promise<unknown> = (work) => work(),
): Promise<{ samples: Float32Array; counts: number[] }> {
  count += 1;
  const path = join(folder, `in-${count}.wav`);
  const outputPath = join(folder, `out-${count}.pcm`);
  await writeFile(path, bytes);
  const file = await open(path);
  const layout = await readWavLayout(file, bytes.length);
  if (layout === undefined) throw new Error('not for us');
  const progress = new DecodeProgress();
  const counts: number[] = [];
  const publish = progress.publish.bind(progress);
  progress.publish = (samples) => {
    counts.push(samples);
    publish(samples);
  };
  await during(() =>
    convertWav(file, layout, { outputPath, progress, signal: new AbortController().signal }),
  );
  await file.close();
  const output = await readFile(outputPath);
  const samples = Float32Array.from(
    { length: output.length / 2 },
    (_, index) => output.readInt16LE(index * 2) / 32_768,
  );
  await Promise.all([path, outputPath].map((name) => rm(name)));
  return { samples, counts };
}

function rms(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
}

const SOUND = { tag: 1, channels: 1, sampleRate: 16_000, bits: 16 };

describe('readWavLayout', () => {
  it('finds the sound of a plain file', async () => {
    const bytes = wavBytes({ seconds: 1, generate: silence });
    const layout = await layoutOf(bytes);
    expect(layout).toEqual({
      format: 's16',
      channels: 1,
      sampleRate: 16_000,
      dataOffsetBytes: 44,
      frames: 16_000,
      truncated: false,
    });
    expect(layout && isReadyPcm(layout)).toBe(true);
  });

  it('takes chunks in any order, of odd length, with and without the pad byte', async () => {
    const data = chunk('data', Buffer.alloc(320));
    const format = chunk('fmt ', wavFormat(SOUND));
    const list = chunk('LIST', Buffer.from('INFOISFT\x05\0\0\0abcde', 'latin1'));
    expect((await layoutOf(riff(list, data, list, format, list)))?.dataOffsetBytes).toBe(
      12 + list.length + 8,
    );
    expect((await layoutOf(riff(format, list, data)))?.frames).toBe(160);
    expect((await layoutOf(riff(format, list.subarray(0, -1), data)))?.frames).toBe(160);
  });

  it.each([
    ['0', 0, false],
    ['0xFFFFFFFF', 0xffff_ffff, false],
    ['2 GiB', 0x7fff_ffff, false],
    ['more than there is', 100_000, true],
  ])('uses what is there when the data size says %s', async (_, size, truncated) => {
    const bytes = riff(chunk('fmt ', wavFormat(SOUND)), chunk('data', Buffer.alloc(3_200), size));
    expect(await layoutOf(bytes)).toMatchObject({ frames: 1_600, truncated });
  });

  it('reads the long size of RF64 and BW64', async () => {
    const sizes = Buffer.alloc(28);
    sizes.writeBigUInt64LE(3_200n, 8);
    const bytes = riff(
      chunk('ds64', sizes),
      chunk('fmt ', wavFormat(SOUND)),
      chunk('data', Buffer.alloc(3_200), 0xffff_ffff),
      chunk('LIST', Buffer.alloc(5_000)),
    );
    for (const id of ['RF64', 'BW64']) {
      bytes.write(id, 0, 'latin1');
      expect(await layoutOf(bytes)).toMatchObject({ frames: 1_600, truncated: false });
    }
  });

  it('reads WAVE_FORMAT_EXTENSIBLE, and samples stored in more bytes than they need', async () => {
    const extension = Buffer.concat([
      Buffer.from([22, 0, 24, 0, 0, 0, 0, 0, 3, 0]),
      Buffer.from('000000001000800000aa00389b71', 'hex'),
    ]);
    const extensible = Buffer.concat([wavFormat({ ...SOUND, tag: 0xfffe, bits: 32 }), extension]);
    expect((await layoutOf(riff(chunk('fmt ', extensible), chunk('data', Buffer.alloc(8)))))?.format).toBe(
      'f32',
    );
    const padded = wavFormat({ ...SOUND, bits: 24 });
    padded.writeUInt16LE(20, 14);
    expect((await layoutOf(riff(chunk('fmt ', padded), chunk('data', Buffer.alloc(9)))))?.format).toBe('s24');
  });

  it('leaves compressed and big-endian sound to ffmpeg', async () => {
    for (const tag of [2, 0x11, 0x31, 0x55]) {
      const bytes = riff(chunk('fmt ', wavFormat({ ...SOUND, tag })), chunk('data', Buffer.alloc(1_000)));
      expect(await layoutOf(bytes)).toBeUndefined();
    }
    const bigEndian = wavBytes({ seconds: 0.1, generate: silence });
    bigEndian.write('RIFX', 0, 'latin1');
    expect(await layoutOf(bigEndian)).toBeUndefined();
  });

  it.each([0, 1, 3_999, 384_001, 655_350, 2 ** 32 - 1])('refuses %i Hz', async (sampleRate) => {
    const bytes = riff(
      chunk('fmt ', wavFormat({ ...SOUND, sampleRate })),
      chunk('data', Buffer.alloc(1_000)),
    );
    await expect(layoutOf(bytes)).rejects.toMatchObject({ code: 'invalid_audio' });
  });

  it.each([0, 17, 255])('refuses %i channels', async (channels) => {
    const bytes = riff(chunk('fmt ', wavFormat({ ...SOUND, channels })), chunk('data', Buffer.alloc(1_000)));
    await expect(layoutOf(bytes)).rejects.toMatchObject({ code: 'invalid_audio' });
  });

  it('says what a damaged header lacks', async () => {
    await expect(layoutOf(riff(chunk('data', Buffer.alloc(100))))).rejects.toThrow('format chunk');
    await expect(layoutOf(riff(chunk('fmt ', wavFormat(SOUND))))).rejects.toThrow('data chunk');
    await expect(layoutOf(Buffer.from('RIFF\0\0\0\0WAVE', 'latin1'))).rejects.toThrow('format chunk');
  });
});

describe('convertWav', () => {
  it.each(['u8', 's16', 's24', 's32', 'f32', 'f64'] as const)(
    'keeps level and length of %s sound',
    async (format) => {
      for (const sampleRate of [8_000, 16_000, 44_100]) {
        const bytes = wavBytes({ seconds: 0.5, sampleRate, channels: 2, format, generate: tone(440, 0.5) });
        const { samples } = await convert(bytes);
        expect(samples.length).toBe(8_000);
        expect(rms(samples)).toBeCloseTo(0.5 / Math.SQRT2, 2);
      }
    },
  );

  it.each(['pcm_alaw', 'pcm_mulaw', 'pcm_s24le', 'pcm_f64le'])(
    'agrees with ffmpeg on %s speech',
    async (coding) => {
      const path = join(folder, `${coding}.wav`);
      const reference = join(folder, `${coding}.pcm`);
      await runFfmpeg(['-i', fixturePath('jfk.wav'), '-t', '2', '-c:a', coding, path]);
      await runFfmpeg(['-i', path, '-f', 's16le', reference]);
      const { samples } = await convert(await readFile(path));
      const expected = await readFile(reference);
      const worst = samples.reduce((most, value, index) => {
        return Math.max(most, Math.abs(Math.round(value * 32_768) - expected.readInt16LE(index * 2)));
      }, 0);
      expect(samples.length).toBe(32_000);
      expect(worst).toBeLessThanOrEqual(1);
    },
  );

  it('tells of samples as they come', async () => {
    const { counts, samples } = await convert(
      wavBytes({ seconds: 2, sampleRate: 44_100, generate: silence }),
    );
    expect(counts.length).toBeGreaterThan(5);
    expect(counts.at(-1)).toBe(samples.length);
  });

  it('never holds up the event loop for long', async () => {
    await warmUpResampler();
    const bytes = wavBytes({ seconds: 30, sampleRate: 44_100, channels: 2, generate: silence });
    const longest = async (): Promise<number> => {
      let turns = { longest: 0, sum: 0 };
      await convert(bytes, async (work) => {
        turns = await turnsMs(work);
      });
      // A turn of about 2 ms here is a hundredth of the whole; a slow machine needs longer for both.
      return Math.min(turns.longest, (20 * turns.longest) / (turns.sum / 10));
    };
    expect(await bestOf('longest turn of a conversion, ms', 20, longest)).toBeLessThan(20);
  });
});
