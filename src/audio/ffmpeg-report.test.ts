import { describe, expect, it } from 'vitest';
import { explainFailure, FfmpegReport } from './ffmpeg-report.ts';

function read(...texts: readonly string[]) {
  const report = new FfmpegReport();
  for (const text of texts) report.push(text);
  report.end();
  return report.facts;
}

describe('FfmpegReport', () => {
  it('finds rate and channels of the first track, also across chunks', () => {
    const line =
      '[info]   Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, fltp, 53 kb/s\n';
    expect(read(line.slice(0, 40), line.slice(40)).sound).toEqual({ sampleRate: 44_100, channels: 1 });
    expect(read('[info]   Stream #0:0: Audio: flac, 655350 Hz, 8 channels, s16').sound).toEqual({
      sampleRate: 655_350,
      channels: 8,
    });
    expect(read('[info]   Stream #0:0: Audio: pcm_s16le, 8000 Hz, 255 channels, s16\n').sound?.channels).toBe(
      255,
    );
  });

  it('is not fooled by a title, and keeps no endless line', () => {
    const facts = read(
      '[info]     title : No space left on device, truncated\n',
      'x'.repeat(1e6),
      'y'.repeat(1e6),
    );
    expect(facts).toMatchObject({ storageFull: false, damaged: false, sound: undefined });
  });
});

describe('explainFailure', () => {
  const good = {
    sound: undefined,
    noAudioTrack: false,
    unknownCoding: false,
    damaged: false,
    storageFull: false,
  };
  const ended = { exitCode: 0, signal: null, samples: 0 };
  it.each([
    ['exit code 153', { ...ended, exitCode: 153, samples: 9 }, good, 'audio_too_long'],
    [
      'our own count',
      { ...ended, stopped: 'too-long' as const, signal: 'SIGKILL' as const, samples: 9 },
      good,
      'audio_too_long',
    ],
    [
      'our own clock',
      { ...ended, stopped: 'too-slow' as const, signal: 'SIGKILL' as const, samples: 9 },
      good,
      'timeout',
    ],
    ['the processor time limit', { ...ended, signal: 'SIGXCPU' as const, samples: 9 }, good, 'timeout'],
    ['a crash', { ...ended, signal: 'SIGSEGV' as const, samples: 9 }, good, 'invalid_audio'],
    ['a full disk', { ...ended, exitCode: 1, samples: 9 }, { ...good, storageFull: true }, 'storage_full'],
    ['no samples and no complaint', ended, good, 'invalid_audio'],
  ])('names %s', (_, outcome, facts, code) => {
    expect(explainFailure(outcome, facts, 60)?.code).toBe(code);
  });

  it('lets a part of the sound pass', () => {
    expect(
      explainFailure({ ...ended, exitCode: 1, samples: 9 }, { ...good, damaged: true }, 60),
    ).toBeUndefined();
  });
});
