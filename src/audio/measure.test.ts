import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tone, wavBytes } from '../../test/support/audio-fixtures.ts';
import { fileExtension } from './file-extension.ts';
import { measureAudio } from './measure.ts';
import { NO_FFMPEG, probeFfmpeg } from './probe-ffmpeg.ts';

const folder = mkdtempSync(join(tmpdir(), 'steno-measure-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ffmpeg = await probeFfmpeg('ffmpeg');
const sound = (seconds: number) => wavBytes({ seconds, generate: tone(440) });
let number = 0;

async function measure(bytes: Buffer, options: { maximumSeconds?: number; withFfmpeg?: boolean } = {}) {
  number += 1;
  const scratchPath = join(folder, String(number));
  await mkdir(scratchPath);
  const path = join(scratchPath, 'upload');
  writeFileSync(path, bytes);
  return measureAudio(
    { path, sizeBytes: statSync(path).size },
    {
      scratchPath,
      maximumSeconds: options.maximumSeconds ?? 100,
      ffmpeg: options.withFfmpeg === true ? ffmpeg : NO_FFMPEG,
    },
  );
}

describe('measureAudio', () => {
  it('reads the length of WAV from header and size, without decoding', async () => {
    expect(await measure(sound(2.5))).toBe(2.5);
    const cut = sound(4);
    expect(await measure(cut.subarray(0, 44 + 2 * 16_000 * 2))).toBe(2);
  });

  it('decodes everything else', async () => {
    const args = ['-f', 'wav', '-i', 'pipe:', '-f', 'flac', 'pipe:'];
    const flac = spawnSync('ffmpeg', ['-v', 'error', ...args], { input: sound(3.25) }).stdout;
    expect(await measure(flac, { withFfmpeg: true })).toBe(3.25);
  });

  it('refuses what is too long or no sound', async () => {
    await expect(measure(sound(3), { maximumSeconds: 2 })).rejects.toMatchObject({
      code: 'audio_too_long',
    });
    await expect(measure(Buffer.alloc(5000, 'x'))).rejects.toMatchObject({ code: 'invalid_audio' });
    await expect(measure(Buffer.from('fLaC'.padEnd(500, '\0')))).rejects.toMatchObject({
      code: 'ffmpeg_required',
    });
  });
});

describe('fileExtension', () => {
  it('follows the content', async () => {
    const path = join(folder, 'some');
    writeFileSync(path, Buffer.from('fLaC'.padEnd(500, '\0')));
    expect(await fileExtension({ path, sizeBytes: 500 })).toBe('flac');
    writeFileSync(path, 'text');
    expect(await fileExtension({ path, sizeBytes: 4 })).toBe('wav');
  });
});
