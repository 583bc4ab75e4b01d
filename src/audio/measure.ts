import { open } from 'node:fs/promises';
import { AudioTooLongError } from '../errors.ts';
import { type AudioSource, samplesToSeconds } from './audio.ts';
import { type DecodeOptions, decodeAudio } from './decode.ts';
import { sniffFile } from './sniff.ts';
import { readWavLayout } from './wav-header.ts';

/**
 * The length of a recording in seconds, as a transcription would count it: WAV by its header and size, all else by decoding it. Throws
 * what {@link decodeAudio} throws.
 */
export async function measureAudio(source: AudioSource, options: DecodeOptions): Promise<number> {
  const wavSecond = await measureWav(source);
  if (wavSecond !== undefined) {
    if (wavSecond > options.maximumSeconds) throw new AudioTooLongError(options.maximumSeconds);
    return wavSecond;
  }
  await using decoded = await decodeAudio(source, options);
  let samples = 0;
  for await (const count of decoded.progress) samples = count;
  return samplesToSeconds(samples);
}

/** Undefined for another container, for WAV with a codec in it, and for what is too short to be told apart from rubbish. */
async function measureWav({ path, sizeBytes }: AudioSource): Promise<number | undefined> {
  await using file = await open(path, 'r');
  if ((await sniffFile(file)) !== 'wav') return undefined;
  const layout = await readWavLayout(file, sizeBytes);
  return layout === undefined ? undefined : layout.frames / layout.sampleRate;
}
