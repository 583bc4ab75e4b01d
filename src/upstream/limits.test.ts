import { describe, expect, it } from 'vitest';
import { createUpstreamLimits, isPermit, type UpstreamLimitOptions } from './limits.ts';

function setUp(options: Partial<UpstreamLimitOptions>) {
  const clock = { ms: Date.parse('2026-03-01T23:00:00Z') };
  const limits = createUpstreamLimits({
    maxConcurrent: 10,
    requestsPerMinute: 0,
    audioSecondsPerDay: 0,
    now: () => clock.ms,
    ...options,
  });
  const enter = (second = 0) => {
    const room = limits.enter(second);
    if (!isPermit(room)) throw new Error(room.limit);
    return room;
  };
  return { limits, clock, enter };
}

describe('createUpstreamLimits', () => {
  it('counts who is inside exactly, also when somebody leaves twice', () => {
    const { limits, enter } = setUp({ maxConcurrent: 2 });
    const first = enter();
    enter();
    expect(() => enter()).toThrow('maxConcurrent');
    first.release();
    first.release();
    enter();
    expect(() => enter()).toThrow('maxConcurrent');
    expect(limits.running).toBe(2);
  });

  it('says when the next attempt of a minute is free', () => {
    const { limits, clock } = setUp({ requestsPerMinute: 2 });
    expect(limits.attempt()).toBeUndefined();
    clock.ms += 10_000;
    expect(limits.attempt()).toBeUndefined();
    clock.ms += 20_000;
    expect(limits.attempt()).toEqual({ limit: 'requestsPerMinute', retryAfterSecond: 30 });
    clock.ms += 30_000;
    expect(limits.attempt()).toBeUndefined();
  });

  it('holds audio while it is in work and gives back what was not used', () => {
    const { enter } = setUp({ audioSecondsPerDay: 10 });
    const first = enter(6);
    expect(() => enter(5)).toThrow('audioSecondsPerDay');
    first.release(0);
    enter(5).release(5);
    enter(5).release(5);
    expect(() => enter(0)).toThrow('audioSecondsPerDay');
  });

  it('starts each day with what that day has had already', () => {
    const { enter, clock } = setUp({
      audioSecondsPerDay: 10,
      usedSeconds: (day) => (day === '2026-03-01' ? 8 : 0),
    });
    expect(() => enter(3)).toThrow('audioSecondsPerDay');
    clock.ms += 3_600_000;
    enter(10);
  });
});
