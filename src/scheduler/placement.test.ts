import { describe, expect, it } from 'vitest';
import { type HostState, placeSuspect, placeTask } from './placement.ts';

function host(state: Partial<HostState> = {}): HostState {
  const idle = {
    lane: 'any',
    ready: true,
    detects: 0,
    chunks: 0,
    capacity: 8,
    longWork: false,
    suspect: false,
  } as const;
  return { ...idle, ...state };
}

const express = (state: Partial<HostState> = {}) => host({ lane: 'express', ...state });
const full = host({ chunks: 8, longWork: true });
const twoCores = { processes: 2, suspectsWait: false };
const urgent = { kind: 'transcribe', urgent: true } as const;
const long = { kind: 'transcribe', urgent: false } as const;

describe('placeTask', () => {
  it('gives urgent work to the express process, and beside long work only when that is full', () => {
    expect(placeTask(urgent, [express(), full, full], twoCores)).toBe(0);
    expect(
      placeTask(urgent, [express({ chunks: 3 }), host({ chunks: 1, longWork: true }), full], twoCores),
    ).toBe(0);
    expect(
      placeTask(urgent, [express({ chunks: 8 }), host({ chunks: 1, longWork: true }), full], twoCores),
    ).toBe(1);
  });

  it('shares urgent work among as many processes as there are cores', () => {
    expect(placeTask(urgent, [express({ chunks: 1 }), host(), host()], twoCores)).toBe(1);
    expect(
      placeTask(urgent, [express({ chunks: 8 }), host({ chunks: 8 }), host()], twoCores),
    ).toBeUndefined();
  });

  it('never gives long work to the express process', () => {
    expect(placeTask(long, [express(), full, full], twoCores)).toBeUndefined();
    expect(placeTask(long, [express(), full, host({ chunks: 7 })], twoCores)).toBe(2);
  });

  it('does without an express process that is away, or that there is not', () => {
    expect(placeTask(urgent, [express({ ready: false }), host()], { ...twoCores, processes: 1 })).toBe(1);
    expect(placeTask(urgent, [host({ chunks: 2 }), host({ chunks: 1 })], twoCores)).toBe(1);
  });

  it('lets a voice detection join full batches', () => {
    expect(placeTask({ kind: 'detect', urgent: false }, [full], { ...twoCores, processes: 1 })).toBe(0);
    expect(placeTask(long, [full], { ...twoCores, processes: 1 })).toBeUndefined();
  });

  it('puts nothing beside a suspect, and lets the last process run dry for one that waits', () => {
    expect(placeTask(long, [host({ chunks: 1, suspect: true })], twoCores)).toBeUndefined();
    expect(placeTask(long, [full, host({ chunks: 1 })], { ...twoCores, suspectsWait: true })).toBeUndefined();
    expect(placeTask(long, [host(), host()], { ...twoCores, suspectsWait: true })).toBe(0);
  });
});

describe('placeSuspect', () => {
  it('takes a process without any work, but not the express one', () => {
    expect(placeSuspect([express(), host({ detects: 1 }), host()])).toBe(2);
    expect(placeSuspect([express(), full])).toBeUndefined();
  });
});
