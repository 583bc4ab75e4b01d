import type { AudioSource } from '../audio/audio.ts';
import type { Ffmpeg } from '../audio/ffmpeg.ts';
import { measureAudio } from '../audio/measure.ts';
import { AbortedError } from '../errors.ts';
import { createLazily, type ScratchSpace } from '../util/scratch-space.ts';

export interface AudioMeter {
  /** Seconds of a recording. Throws AudioTooLongError, InvalidAudioError, FfmpegRequiredError, AbortedError ... */
  measure(source: AudioSource, options: MeasureOptions): Promise<number>;
}

export interface MeasureOptions {
  readonly maximumSeconds: number;
  readonly signal?: AbortSignal | undefined;
}

export interface AudioMeterOptions {
  readonly scratch: ScratchSpace;
  readonly ffmpeg: Ffmpeg;
  /** Recordings measured at once; others wait. */
  readonly concurrency: number;
}

/** Measures recordings that are not decoded here anyway. */
export function createAudioMeter({ scratch, ffmpeg, concurrency }: AudioMeterOptions): AudioMeter {
  let running = 0;
  const waiting: (() => void)[] = [];

  async function enter(): Promise<void> {
    if (running >= concurrency) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
  }

  /** The place goes straight to who waits longest. */
  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }

  return {
    async measure(source, { maximumSeconds, signal }) {
      await enter();
      try {
        if (signal?.aborted) throw new AbortedError();
        await using folder = createLazily(scratch);
        return await measureAudio(source, { scratchPath: folder.path, maximumSeconds, ffmpeg, signal });
      } finally {
        leave();
      }
    },
  };
}
