import { afterEach, describe, expect, it, vi } from 'vitest';
import { createRateWindow } from './rate-window.ts';

afterEach(() => vi.useRealTimers());

describe('createRateWindow', () => {
  it('R10 of 100 that ask at once exactly the limit pass', async () => {
    const window = createRateWindow();
    const states = await Promise.all(Array.from({ length: 100 }, () => window.take('key_a', 7)));
    expect(states.filter(({ allowed }) => allowed)).toHaveLength(7);
    expect(states.map(({ remaining }) => remaining).slice(0, 9)).toEqual([6, 5, 4, 3, 2, 1, 0, 0, 0]);
    expect((await window.take('key_b', 7)).allowed).toBe(true);
  });

  it('looks without counting', async () => {
    const window = createRateWindow();
    for (let index = 0; index < 5; index += 1) expect((await window.look('a', 1)).allowed).toBe(true);
    await window.take('a', 1);
    expect((await window.look('a', 1)).allowed).toBe(false);
  });

  it('begins anew when the window has passed', async () => {
    vi.useFakeTimers();
    const window = createRateWindow(60);
    await window.take('a', 1);
    vi.advanceTimersByTime(59_000);
    expect(await window.take('a', 1)).toMatchObject({ allowed: false, resetSecond: 1 });
    vi.advanceTimersByTime(1000);
    expect(await window.take('a', 1)).toMatchObject({ allowed: true, resetSecond: 60 });
  });

  it('R26 recovers within one window from a clock that jumps', async () => {
    for (const jumpMs of [3_600_000, -3_600_000, 86_400_000, -86_400_000]) {
      vi.useFakeTimers({ now: Date.parse('2026-03-29T00:59:00Z') });
      const window = createRateWindow(60);
      await window.take('a', 1);
      vi.setSystemTime(Date.now() + jumpMs);
      const { resetSecond } = await window.look('a', 1);
      expect(resetSecond).toBeGreaterThan(0);
      expect(resetSecond).toBeLessThanOrEqual(60);
      vi.advanceTimersByTime(60_000);
      expect((await window.take('a', 1)).allowed, `jump of ${jumpMs}`).toBe(true);
      expect((await window.take('a', 1)).allowed).toBe(false);
    }
  });
});
