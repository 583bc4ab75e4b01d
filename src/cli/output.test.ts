import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { AudioTooShortError } from '../errors.ts';
import { createProgress, describeError, formatClock } from './output.ts';

const at = (finishedSecond: number) =>
  ({ type: 'transcription-progress', decodedSecond: 200, finishedSecond, totalSecond: 200 }) as const;

function record(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  let nowMs = 1_000_000;
  const progress = createProgress({ stream, label: 'talk.mp3', now: () => nowMs });
  return { progress, wait: (ms: number) => (nowMs += ms), written: () => String(stream.read() ?? '') };
}

describe('createProgress', () => {
  it('redraws a bar on a terminal and wipes it at the end', () => {
    const { progress, wait, written } = record(true);
    progress.update(at(100));
    wait(50);
    progress.update(at(101));
    progress.finish('talk.mp3: done');
    const text = written();
    expect(text).toContain('[###############---------------] 1:40 of 3:20 (50 %)');
    expect(text).not.toContain('1:41');
    expect(text.endsWith('\r\x1b[Ktalk.mp3: done\n')).toBe(true);
  });

  it('writes plain lines elsewhere, one every ten seconds', () => {
    const { progress, wait, written } = record(false);
    progress.update(at(1));
    wait(10_000);
    progress.update(at(50));
    progress.update(at(51));
    progress.finish('talk.mp3: done');
    expect(written()).toBe('talk.mp3: 0:50 of 3:20 (25 %)\ntalk.mp3: done\n');
  });
});

describe('formatClock', () => {
  it('counts minutes, then hours', () => {
    expect([0, 9.9, 65, 600, 3599, 3661].map(formatClock)).toEqual([
      '0:00',
      '0:09',
      '1:05',
      '10:00',
      '59:59',
      '1:01:01',
    ]);
  });
});

describe('describeError', () => {
  it('shows the sentence of a known failure and the stack of a fault', () => {
    expect(describeError(new AudioTooShortError(0.01, 0.1))).toMatch(/^The audio is 0\.010 seconds/);
    expect(describeError(new TypeError('broken'))).toMatch(/internal error: TypeError: broken\n\s+at/);
  });
});
