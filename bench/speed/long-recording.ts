import { execFileSync } from 'node:child_process';
import { mkdtempSync, openAsBlob, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MANIFEST_PATH } from '../accuracy/manifest.ts';
import { startBuiltServer } from '../load/server.ts';

const HOUR_SECONDS = 3600;

export interface LongRecording {
  readonly seconds: number;
  readonly wallSecond: number;
  readonly realTimeFactor: number;
  readonly words: number;
}

/** An hour of a speech as 48 kbit/s Opus through the whole server: upload, media decoding, voice detection, text. */
export async function timeLongRecording(): Promise<LongRecording> {
  const folder = mkdtempSync(join(tmpdir(), 'steno-long-'));
  const path = join(folder, 'hour.ogg');
  const source = join(dirname(MANIFEST_PATH), 'long_real', 'gb0.flac');
  const loop = [
    '-stream_loop',
    '-1',
    '-i',
    source,
    '-t',
    String(HOUR_SECONDS),
    '-c:a',
    'libopus',
    '-b:a',
    '48k',
  ];
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...loop, path]);
  const server = await startBuiltServer([]);
  try {
    const form = new FormData();
    form.set('model', 'whisper-1');
    form.set('file', await openAsBlob(path), 'hour.ogg');
    const start = performance.now();
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
    const { text } = (await response.json()) as { text: string };
    const wallSecond = (performance.now() - start) / 1000;
    const words = text.split(/\s+/).length;
    return { seconds: HOUR_SECONDS, wallSecond, realTimeFactor: HOUR_SECONDS / wallSecond, words };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
