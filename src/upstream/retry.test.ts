import { describe, expect, it } from 'vitest';
import { type AttemptEnd, decideRetry, type RetryRules } from './retry.ts';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

function decide(end: AttemptEnd, rules: Partial<RetryRules> = {}) {
  return decideRetry(end, {
    left: 2,
    attempt: 1,
    longestPauseMs: 60_000,
    nowMs: NOW_MS,
    random: 0,
    ...rules,
  });
}

describe('decideRetry', () => {
  it.each([
    [undefined, true],
    [408, true],
    [409, true],
    [429, true],
    [500, true],
    [503, true],
    [599, true],
    [400, false],
    [401, false],
    [404, false],
    [413, false],
    [422, false],
  ])('status %s: %s, as official clients do', (status, retry) => {
    expect(decide({ status }).retry).toBe(retry);
  });

  it('obeys x-should-retry before the status', () => {
    expect(decide({ status: 500, headers: { 'x-should-retry': 'false' } }).retry).toBe(false);
    expect(decide({ status: 400, headers: { 'x-should-retry': 'true' } }).retry).toBe(true);
  });

  it('stops when no attempts are left', () => {
    expect(decide({ status: 500 }, { left: 0 })).toEqual({ retry: false });
  });

  it('waits 0.5 s, doubled up to 8 s, less up to a quarter', () => {
    const pauses = [1, 2, 3, 4, 5, 9].map((attempt) => decide({}, { attempt }));
    expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 8000].map((pauseMs) => ({ retry: true, pauseMs })));
    expect(decide({}, { random: 0.999 })).toMatchObject({ pauseMs: expect.closeTo(375, 0) });
  });

  it.each([
    [{ 'retry-after-ms': '1500.5', 'retry-after': '9' }, 1500.5],
    [{ 'retry-after': '2.5' }, 2500],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:07 GMT' }, 7000],
    [{ 'retry-after': 'Wed, 31 Dec 2025 23:00:00 GMT' }, 0],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': 'soon' }, 500],
    [{ 'retry-after': '-3' }, 500],
  ])('waits as long as %j asks', (headers, pauseMs) => {
    expect(decide({ status: 429, headers })).toEqual({ retry: true, pauseMs });
  });

  it('takes a pause that is too long for a refusal, and remembers it', () => {
    const headers = { 'retry-after': '61' };
    expect(decide({ status: 429, headers })).toEqual({ retry: false, retryAfterMs: 61_000 });
    expect(decide({ status: 429, headers: { 'retry-after': '5' } }, { longestPauseMs: 2000 })).toEqual({
      retry: false,
      retryAfterMs: 5000,
    });
  });
});
