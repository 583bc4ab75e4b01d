import { describe, expect, it } from 'vitest';
import { type CallOutcome, createCircuitBreaker } from './circuit-breaker.ts';

function setUp(options: { minimumCalls?: number } = {}) {
  let nowMs = 0;
  const breaker = createCircuitBreaker({ minimumCalls: 4, openMs: 1000, now: () => nowMs, ...options });
  return {
    breaker,
    wait: (ms: number) => {
      nowMs += ms;
    },
    calls: (...outcomes: CallOutcome[]) => {
      for (const outcome of outcomes) breaker.enter()?.(outcome);
    },
  };
}

describe('createCircuitBreaker', () => {
  it('stays closed below the minimum of calls and below half of failures', () => {
    const { breaker, calls } = setUp();
    calls('failure', 'failure', 'failure');
    expect(breaker.state).toBe('closed');
    const other = setUp();
    other.calls('success', 'success', 'success', 'failure', 'failure');
    expect(other.breaker.state).toBe('closed');
  });

  it('opens at half of failures and lets nothing through', () => {
    const { breaker, calls, wait } = setUp();
    calls('success', 'success', 'failure', 'failure');
    expect(breaker.state).toBe('open');
    expect(breaker.enter()).toBeUndefined();
    expect(breaker.waitMs).toBe(1000);
    wait(999);
    expect(breaker.enter()).toBeUndefined();
  });

  it('forgets calls that are older than a minute', () => {
    const { breaker, calls, wait } = setUp();
    calls('failure', 'failure', 'failure');
    wait(60_000);
    calls('failure');
    expect(breaker.state).toBe('closed');
  });

  it('neutral ends say nothing', () => {
    const { breaker, calls } = setUp();
    calls('neutral', 'neutral', 'neutral', 'neutral', 'failure');
    expect(breaker.state).toBe('closed');
  });

  it('lets one call try after the time: success closes it with a clean slate', () => {
    const { breaker, calls, wait } = setUp();
    calls('failure', 'failure', 'failure', 'failure');
    wait(1000);
    expect(breaker.state).toBe('half-open');
    const trial = breaker.enter();
    expect(trial).toBeDefined();
    expect(breaker.enter()).toBeUndefined();
    trial?.('success');
    expect(breaker.state).toBe('closed');
    calls('failure', 'failure', 'failure');
    expect(breaker.state).toBe('closed');
  });

  it('a failed trial opens it for the whole time again, a neutral one lets the next try', () => {
    const { breaker, calls, wait } = setUp();
    calls('failure', 'failure', 'failure', 'failure');
    wait(1000);
    breaker.enter()?.('neutral');
    expect(breaker.state).toBe('half-open');
    breaker.enter()?.('failure');
    expect(breaker.state).toBe('open');
    wait(999);
    expect(breaker.enter()).toBeUndefined();
    wait(1);
    expect(breaker.enter()).toBeDefined();
  });

  it('ends of calls from before the last change count nothing', () => {
    const { breaker, calls, wait } = setUp();
    const late = breaker.enter();
    calls('failure', 'failure', 'failure', 'failure');
    wait(1000);
    late?.('success');
    expect(breaker.state).toBe('half-open');
    breaker.enter()?.('success');
    expect(breaker.state).toBe('closed');
  });
});
