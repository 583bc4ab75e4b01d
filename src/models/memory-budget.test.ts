import { describe, expect, it } from 'vitest';
import { findRoom, type MemoryHolder } from './memory-budget.ts';

function holder(id: string, memoryBytes: number, state: MemoryHolder['state'], idleSince = 0): MemoryHolder {
  return { id, memoryBytes, state, idleSince };
}

describe('findRoom', () => {
  it('takes what is free, up to the last byte', () => {
    expect(findRoom(40, 100, [holder('a', 60, 'busy')])).toEqual({ kind: 'fits' });
    expect(findRoom(41, 100, [holder('a', 60, 'busy')])).toEqual({ kind: 'wait' });
  });

  it('has no limit with a budget of 0', () => {
    expect(findRoom(1e12, 0, [holder('a', 1e12, 'busy')])).toEqual({ kind: 'fits' });
  });

  it('unloads the longest idle first, and no more than it needs', () => {
    const holders = [
      holder('new', 30, 'idle', 9),
      holder('old', 30, 'idle', 1),
      holder('mid', 30, 'idle', 5),
    ];
    expect(findRoom(30, 100, holders)).toEqual({ kind: 'unload', ids: ['old'] });
    expect(findRoom(60, 100, holders)).toEqual({ kind: 'unload', ids: ['old', 'mid'] });
  });

  it('unloads nothing in vain while models at work hold too much', () => {
    const holders = [holder('idle', 30, 'idle'), holder('busy', 60, 'busy')];
    expect(findRoom(50, 100, holders)).toEqual({ kind: 'wait' });
  });

  it('waits for what is already on its way out', () => {
    const holders = [holder('leaving', 60, 'leaving'), holder('idle', 40, 'idle')];
    expect(findRoom(60, 100, holders)).toEqual({ kind: 'wait' });
    expect(findRoom(61, 100, holders)).toEqual({ kind: 'unload', ids: ['idle'] });
  });
});
