import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { watchPace } from './upload-pace.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function watch(idleSeconds: number) {
  const fail = vi.fn();
  return { pace: watchPace({ idleSeconds, minimumBytesPerSecond: 1024 }, fail), fail };
}

describe('watchPace', () => {
  it('fails an upload that sends nothing for the idle time', () => {
    const { pace, fail } = watch(30);
    vi.advanceTimersByTime(20_000);
    pace.received(1);
    vi.advanceTimersByTime(29_000);
    expect(fail).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2000);
    expect(fail.mock.calls[0]?.[0]).toMatchObject({
      code: 'upload_timeout',
      message: expect.stringContaining('30 seconds'),
    });
    pace.stop();
  });

  it('fails an upload below 1 KiB a second, and lets a faster one go on', () => {
    for (const [bytesASecond, fails] of [
      [1000, true],
      [1100, false],
    ] as const) {
      const { pace, fail } = watch(30);
      for (let second = 0; second < 200; second += 1) {
        pace.received(bytesASecond);
        vi.advanceTimersByTime(1000);
      }
      expect(fail.mock.calls.length > 0).toBe(fails);
      pace.stop();
    }
  });

  it('does not blame the client while the disk is slow, but does afterwards', () => {
    const { pace, fail } = watch(30);
    pace.hold();
    vi.advanceTimersByTime(300_000);
    expect(fail).not.toHaveBeenCalled();
    pace.goOn();
    vi.advanceTimersByTime(31_000);
    expect(fail).toHaveBeenCalled();
    pace.stop();
  });
});
