import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SAMPLE_RATE } from './audio.ts';
import type { DecodeProgress } from './decode-progress.ts';
import { BYTES_PER_SAMPLE, downmix, toSigned16 } from './downmix.ts';
import { createResampler } from './resample.ts';
import type { WavLayout } from './wav-header.ts';

/** Frames turned at a time: at most about 2 ms of work (0.2 s of 44.1 kHz), then other requests have their turn. */
const WINDOW_FRAMES = 8_192;

/** True when the samples already are what the engine reads, so that nothing needs copying. */
export function isReadyPcm(layout: WavLayout): boolean {
  return layout.format === 's16' && layout.channels === 1 && layout.sampleRate === SAMPLE_RATE;
}

/**
 * Writes the sound as mono s16le at SAMPLE_RATE to a new file, in small windows. Throws the signal's reason when
 * aborted.
 */
export async function convertWav(
  file: FileHandle,
  layout: WavLayout,
  options: { readonly outputPath: string; readonly progress: DecodeProgress; readonly signal: AbortSignal },
): Promise<void> {
  using resampler = await createResampler(layout.sampleRate);
  await using output = await open(options.outputPath, 'wx', 0o600);
  let written = 0;
  const write = async (samples: Float32Array) => {
    if (samples.length === 0) return;
    const bytes = toSigned16(samples);
    await output.write(new Uint8Array(bytes.buffer));
    written += samples.length;
    options.progress.publish(written);
  };
  for await (const bytes of windowsOf(file, layout)) {
    options.signal.throwIfAborted();
    await write(resampler.push(downmix(bytes, layout.format, layout.channels)));
    await nextTurn();
  }
  await write(resampler.flush());
}

async function* windowsOf(file: FileHandle, layout: WavLayout): AsyncGenerator<Buffer> {
  const frameBytes = BYTES_PER_SAMPLE[layout.format] * layout.channels;
  const window = Buffer.alloc(WINDOW_FRAMES * frameBytes);
  const end = layout.dataOffsetBytes + layout.frames * frameBytes;
  for (let position = layout.dataOffsetBytes; position < end; ) {
    const { bytesRead } = await file.read(window, 0, Math.min(window.length, end - position), position);
    const wholeBytes = bytesRead - (bytesRead % frameBytes);
    if (wholeBytes === 0) return;
    yield window.subarray(0, wholeBytes);
    position += wholeBytes;
  }
}
