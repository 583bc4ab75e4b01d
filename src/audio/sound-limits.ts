import { InvalidAudioError } from '../errors.ts';

/** Sample rates and channel counts we decode (reliability.md section 4); others are errors or bombs. */
export const SAMPLE_RATE_RANGE = [4_000, 384_000] as const;
export const MAXIMUM_CHANNELS = 16;

export interface SoundShape {
  readonly sampleRate: number;
  readonly channels: number;
}

export function isWithinLimits(sound: SoundShape): boolean {
  const [lowest, highest] = SAMPLE_RATE_RANGE;
  const { sampleRate, channels } = sound;
  return sampleRate >= lowest && sampleRate <= highest && channels >= 1 && channels <= MAXIMUM_CHANNELS;
}

/** Throws InvalidAudioError with the fact that is out of range. */
export function requireWithinLimits(sound: SoundShape): void {
  if (isWithinLimits(sound)) return;
  const [lowest, highest] = SAMPLE_RATE_RANGE;
  if (sound.sampleRate < lowest || sound.sampleRate > highest)
    throw new InvalidAudioError(
      `its sample rate of ${sound.sampleRate} Hz is outside ${lowest} to ${highest} Hz`,
    );
  throw new InvalidAudioError(`it has ${sound.channels} channels, and 1 to ${MAXIMUM_CHANNELS} are possible`);
}
