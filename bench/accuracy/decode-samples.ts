import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const SAMPLE_RATE = 16_000;

/** [samples] mono f32 at 16 kHz of any file ffmpeg reads; not through `src`, so that both sides of a comparison hear the same. */
export async function decodeToSamples(path: string): Promise<Float32Array> {
  const arguments_ = [
    '-v',
    'error',
    '-i',
    path,
    '-f',
    'f32le',
    '-ac',
    '1',
    '-ar',
    String(SAMPLE_RATE),
    'pipe:1',
  ];
  const { stdout } = await promisify(execFile)('ffmpeg', arguments_, {
    encoding: 'buffer',
    maxBuffer: 2 ** 30,
  });
  return new Float32Array(new Uint8Array(stdout).buffer, 0, Math.floor(stdout.length / 4));
}
