import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeAudio } from '../../src/audio/decode.ts';
import { probeFfmpeg } from '../../src/audio/probe-ffmpeg.ts';
import { StenographerError } from '../../src/errors.ts';
import { hasSharedAudio, SHARED_AUDIO } from '../support/audio-fixtures.ts';

interface Recording {
  readonly file: string;
  readonly expect: 'transcript' | 'no_crash' | 'error_or_empty' | 'prefix_or_error';
  readonly container?: string;
  readonly seconds: number | null;
}

/** `no_crash` files that stock ffmpeg 5.1 decodes no sample of either: cut off inside their headers. */
const WITHOUT_SOUND = new Set([
  'odd_valid/flac_with_image.flac',
  'odd_valid/iso8859_with_image.m4a',
  'odd_valid/ogg_with_image.ogg',
  'odd_valid/aiff_with_image.aiff',
  'odd_valid/id3v22_image.mp3',
  'odd_valid/alac_file.m4a',
]);

describe('the recordings beside the repository (../shared/audio; skipped where that folder is absent)', () => {
  it.skipIf(!hasSharedAudio)('decode, or are refused cleanly, as their manifest says', async () => {
    const ffmpeg = await probeFfmpeg('ffmpeg');
    if (!ffmpeg.available) throw new Error(`this test needs ffmpeg: ${ffmpeg.hint}`);
    const lines = (await readFile(join(SHARED_AUDIO, 'manifest.jsonl'), 'utf8')).trim().split('\n');
    const problems: string[] = [];
    for (const recording of lines.map((line) => JSON.parse(line) as Recording)) {
      const outcome = await decode(recording, ffmpeg);
      const problem = judge(recording, outcome);
      if (problem !== undefined) problems.push(`${recording.file}: ${problem}`);
    }
    expect(problems).toEqual([]);
  });
});

type Outcome = number | StenographerError;

async function decode(
  recording: Recording,
  ffmpeg: Awaited<ReturnType<typeof probeFfmpeg>>,
): Promise<Outcome> {
  const scratchPath = await mkdtemp(join(tmpdir(), 'steno-shared-'));
  const path = join(SHARED_AUDIO, recording.file);
  const source = { path, sizeBytes: (await stat(path)).size };
  try {
    const decoded = await decodeAudio(source, { scratchPath, maximumSeconds: 3_600, ffmpeg });
    try {
      let samples = 0;
      for await (const available of decoded.progress) samples = available;
      return samples / 16_000;
    } finally {
      await decoded[Symbol.asyncDispose]();
    }
  } catch (error) {
    if (error instanceof StenographerError) return error;
    throw new Error(recording.file, { cause: error });
  } finally {
    await rm(scratchPath, { recursive: true });
  }
}

function judge(recording: Recording, outcome: Outcome): string | undefined {
  if (typeof outcome !== 'number') {
    const mayFail = recording.expect === 'error_or_empty' || recording.expect === 'prefix_or_error';
    return mayFail || WITHOUT_SOUND.has(recording.file) ? undefined : outcome.message;
  }
  if (recording.expect !== 'transcript' || recording.seconds === null) return undefined;
  // Containers state lengths with the encoder's padding, or that of their longest track.
  const difference = Math.abs(outcome - recording.seconds);
  return difference > 0.65 ? `${outcome} s decoded of ${recording.seconds} s` : undefined;
}
