import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AbortedError,
  AudioTooLongError,
  AudioTooShortError,
  FfmpegRequiredError,
  InvalidAudioError,
  StenographerError,
} from '../errors.ts';
import {
  type AudioSource,
  MINIMUM_AUDIO_SECONDS,
  type PcmFile,
  samplesToSeconds,
  secondsToSamples,
} from './audio.ts';
import { DecodeProgress } from './decode-progress.ts';
import type { SampleFormat } from './downmix.ts';
import { decodeWithFfmpeg, type Ffmpeg } from './ffmpeg.ts';
import type { FfmpegInput } from './ffmpeg-command.ts';
import { storageFullError } from './ffmpeg-report.ts';
import { type Container, DEMUXERS, sniffFile } from './sniff.ts';
import { convertWav, isReadyPcm } from './wav.ts';
import { readWavLayout, type WavLayout } from './wav-header.ts';

export interface DecodeOptions {
  /**
   * An existing folder of this request alone, or what makes one: it is asked when there is something to write. At most one file,
   * `decoded.pcm`, is made in it.
   */
  readonly scratchPath: string | (() => Promise<string>);
  /** Longest sound in seconds, counted in decoded samples whatever a header claims. */
  readonly maximumSeconds: number;
  readonly ffmpeg: Ffmpeg;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sound that is decoded, or is being decoded behind the caller's back. Disposing stops a decoder that still runs and
 * waits until it is gone; then the scratch folder may be removed.
 */
export interface DecodedAudio extends AsyncDisposable {
  /**
   * WAV that already is what the engine reads stays where it is: `path` is then the upload itself. Only the samples
   * that `progress` has told of are sound; other bytes may follow them.
   */
  readonly pcm: PcmFile;
  /** For logs. */
  readonly container: Container;
  /**
   * Samples readable so far, increasing; the last value is the length. A reader that is slow sees only the newest
   * count, one that comes late starts with it, and several may read. Decoding does not wait for readers:
   * `maximumSeconds` bounds the disk. Throws AudioTooLongError, InvalidAudioError, AbortedError or storage_full when
   * decoding fails later on.
   */
  readonly progress: AsyncIterable<number>;
  /** Samples readable now. */
  readonly samples: number;
  /** Final once `progress` has ended: the file is cut or broken in places, and not all of it could be decoded. */
  readonly truncated: boolean;
}

/**
 * WAV that has to be converted and is longer goes to ffmpeg where there is one: from here on its start (60 ms) costs
 * less than our converter.
 */
const LONGEST_IN_PROCESS_SECONDS = 10;

/**
 * Decodes a recording of any container that sniff.ts knows to mono s16le at SAMPLE_RATE. Resolves as soon as
 * MINIMUM_AUDIO_SECONDS are readable; the rest follows. Throws AudioTooShortError, AudioTooLongError,
 * InvalidAudioError, FfmpegRequiredError, AbortedError, or a StenographerError with code storage_full or
 * engine_unavailable.
 */
export async function decodeAudio(source: AudioSource, options: DecodeOptions): Promise<DecodedAudio> {
  if (options.signal?.aborted) throw new AbortedError(options.signal.reason);
  if (source.sizeBytes === 0) throw new AudioTooShortError(0, MINIMUM_AUDIO_SECONDS);
  const file = await open(source.path, 'r');
  const plan = await makePlan(file, source, options).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  return begin(plan, options, file);
}

interface Plan {
  readonly container: Container;
  readonly pcm: PcmFile;
  /** Decodes to the end, publishing as it goes. */
  run(progress: DecodeProgress, signal: AbortSignal): Promise<{ readonly truncated: boolean }>;
}

async function makePlan(file: FileHandle, source: AudioSource, options: DecodeOptions): Promise<Plan> {
  const container = await sniffFile(file);
  if (container === undefined)
    throw new InvalidAudioError('its content is in no audio format that is known here');
  if (container !== 'wav') return ffmpegPlan(container, options, inputOf(source, DEMUXERS[container]));
  const layout = await readWavLayout(file, source.sizeBytes);
  if (layout === undefined) return ffmpegPlan(container, options, inputOf(source, DEMUXERS.wav));
  return wavPlan(file, source, layout, options);
}

/** Above this a recording is minutes long in any format but uncompressed ones. */
const LARGE_BYTES = 4 * 1024 * 1024;

function inputOf({ path, sizeBytes }: AudioSource, demuxer: string): FfmpegInput {
  return { path, demuxer, background: sizeBytes > LARGE_BYTES };
}

async function wavPlan(
  file: FileHandle,
  source: AudioSource,
  layout: WavLayout,
  options: DecodeOptions,
): Promise<Plan> {
  const { ffmpeg, maximumSeconds } = options;
  const seconds = layout.frames / layout.sampleRate;
  if (seconds > maximumSeconds) throw new AudioTooLongError(maximumSeconds);
  const { truncated } = layout;
  if (isReadyPcm(layout)) {
    return {
      container: 'wav',
      pcm: { path: source.path, offsetBytes: layout.dataOffsetBytes },
      async run(progress) {
        progress.publish(layout.frames);
        return { truncated };
      },
    };
  }
  if (seconds > LONGEST_IN_PROCESS_SECONDS && ffmpeg.available) {
    const raw = { ...layout, offsetBytes: layout.dataOffsetBytes, seconds };
    return ffmpegPlan('wav', options, { ...inputOf(source, RAW_DEMUXERS[layout.format]), raw }, truncated);
  }
  const outputPath = await outputPathOf(options);
  return {
    container: 'wav',
    pcm: { path: outputPath, offsetBytes: 0 },
    async run(progress, signal) {
      await convertWav(file, layout, { outputPath, progress, signal });
      return { truncated };
    },
  };
}

/** ffmpeg's demuxers for sound without a header: our own reading of the WAV header stays the only one. */
const RAW_DEMUXERS: Readonly<Record<SampleFormat, string>> = {
  u8: 'u8',
  s16: 's16le',
  s24: 's24le',
  s32: 's32le',
  f32: 'f32le',
  f64: 'f64le',
  alaw: 'alaw',
  mulaw: 'mulaw',
};

async function ffmpegPlan(
  container: Container,
  options: DecodeOptions,
  input: FfmpegInput,
  knownTruncated = false,
): Promise<Plan> {
  const { ffmpeg, maximumSeconds } = options;
  if (!ffmpeg.available) throw new FfmpegRequiredError(container);
  const outputPath = await outputPathOf(options);
  return {
    container,
    pcm: { path: outputPath, offsetBytes: 0 },
    async run(progress, signal) {
      const { truncated } = await decodeWithFfmpeg(ffmpeg, input, {
        outputPath,
        maximumSeconds,
        progress,
        signal,
      });
      return { truncated: truncated || knownTruncated };
    },
  };
}

async function outputPathOf({ scratchPath }: DecodeOptions): Promise<string> {
  return join(typeof scratchPath === 'string' ? scratchPath : await scratchPath(), 'decoded.pcm');
}

/** Made once: a reason of its own for each recording would cost a stack trace that nobody reads. */
const OVER = new Error('the decoded sound is needed no more');

/** Runs the plan in the background and waits for its first samples. */
async function begin(plan: Plan, options: DecodeOptions, file: FileHandle): Promise<DecodedAudio> {
  const progress = new DecodeProgress();
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  let truncated = false;
  const running = plan
    .run(progress, signal)
    .then((result) => {
      truncated = result.truncated;
      progress.end();
    })
    .catch((error: unknown) => progress.fail(toStenographerError(error, signal)))
    .finally(() => file.close());
  const dispose = async () => {
    stop.abort(OVER);
    await running;
  };
  try {
    await progress.reached(secondsToSamples(MINIMUM_AUDIO_SECONDS));
    const seconds = samplesToSeconds(progress.samples);
    if (seconds < MINIMUM_AUDIO_SECONDS) throw new AudioTooShortError(seconds, MINIMUM_AUDIO_SECONDS);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    pcm: plan.pcm,
    container: plan.container,
    progress,
    get samples() {
      return progress.samples;
    },
    get truncated() {
      return truncated;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

function toStenographerError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof StenographerError) return error;
  if (signal?.aborted) return new AbortedError(error);
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' ? storageFullError(error) : error;
}
