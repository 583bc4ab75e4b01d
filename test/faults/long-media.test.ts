import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeAudio } from '../../src/audio/decode.ts';
import { probeFfmpeg } from '../../src/audio/probe-ffmpeg.ts';
import { runFfmpeg } from '../support/audio-fixtures.ts';
import { isNightly } from '../support/tier.ts';

const HOURS = isNightly ? 4 : 0.5;
const SAMPLES = HOURS * 3600 * 16_000;
const TOLERANCE = 0.0001;
const GROWTH_BYTES = 50 * 1024 * 1024;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-long-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('R4 long audio does not fail for its length', () => {
  it(`decodes ${HOURS} hours of 44.1 kHz stereo to every sample, in memory that does not grow with it`, async () => {
    const path = join(folder, 'long.flac');
    const tone = ['-f', 'lavfi', '-i', `sine=frequency=300:sample_rate=44100:duration=${HOURS * 3600}`];
    await runFfmpeg([...tone, '-ac', '2', '-compression_level', '0', path]);
    const ffmpeg = await probeFfmpeg('ffmpeg');
    const { size } = await stat(path);
    const decoded = await decodeAudio(
      { path, sizeBytes: size },
      { scratchPath: folder, maximumSeconds: HOURS * 3600 + 1, ffmpeg },
    );
    let early: number | undefined;
    let most = 0;
    try {
      for await (const samples of decoded.progress) {
        const memory = process.memoryUsage().rss;
        if (samples >= SAMPLES / 24) early ??= memory;
        most = Math.max(most, memory);
      }
      expect(Math.abs(decoded.samples / SAMPLES - 1)).toBeLessThan(TOLERANCE);
      expect(decoded.truncated).toBe(false);
      expect(most - (early ?? 0)).toBeLessThan(GROWTH_BYTES);
    } finally {
      await decoded[Symbol.asyncDispose]();
    }
  });
});
