import { describe, expect, it } from 'vitest';
import { createManualClock, settle } from '../../test/support/manual-clock.ts';
import {
  AbortedError,
  ModelLoadError,
  ModelLoadTimeoutError,
  ModelMemoryTimeoutError,
  ModelTooLargeError,
  ShuttingDownError,
} from '../errors.ts';
import { Residency } from './residency.ts';
import type { ResidencyEvent } from './residency-options.ts';

interface PendingLoad {
  readonly id: string;
  readonly signal: AbortSignal;
  succeed(): Promise<void>;
  fail(message: string): Promise<void>;
}

/** Residency with loads that end when the test says so; a cancelled one ends at once. */
function setUp(
  options: { budgetBytes?: number; keepAliveSeconds?: number; memory?: Record<string, number> } = {},
) {
  const clock = createManualClock();
  const loads: PendingLoad[] = [];
  const events: ResidencyEvent[] = [];
  const inMemory = new Set<string>();
  const residency = new Residency<string>({
    load: (id, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        loads.push({
          id,
          signal,
          async succeed() {
            inMemory.add(id);
            resolve(`${id} loaded`);
            await settle();
          },
          async fail(message) {
            reject(new Error(message));
            await settle();
          },
        });
      }),
    unload: async (id) => {
      await settle();
      inMemory.delete(id);
    },
    memoryBytesOf: (id) => options.memory?.[id] ?? 10,
    budgetBytes: options.budgetBytes ?? 0,
    keepAliveSecondsOf: () => options.keepAliveSeconds ?? 300,
    loadSeconds: 60,
    onEvent: (event) => events.push(event),
    clock,
  });
  const states = (...ids: string[]) => ids.map((id) => residency.stateOf(id).state);
  const loaded = async (id: string) => {
    const lease = residency.acquire(id);
    await loads.at(-1)?.succeed();
    return lease;
  };
  return { residency, clock, loads, events, inMemory, states, loaded };
}

describe('Residency', () => {
  it('shares one load among all who ask meanwhile', async () => {
    const { residency, loads, states } = setUp();
    const leases = [1, 2, 3].map(() => residency.acquire('a'));
    expect(states('a')).toEqual(['loading']);
    expect(loads).toHaveLength(1);
    await loads[0]?.succeed();
    expect((await Promise.all(leases)).map((lease) => lease.loaded)).toEqual(Array(3).fill('a loaded'));
    expect(residency.stateOf('a')).toMatchObject({ state: 'loaded', leases: 3, memoryBytes: 10 });
  });

  it('keeps a model for its time after the last request, and no request stands in the way twice', async () => {
    const { residency, clock, loaded, states, inMemory } = setUp({ keepAliveSeconds: 100 });
    const first = await loaded('a');
    const second = await residency.acquire('a');
    first.release();
    first.release();
    await clock.advance(1000);
    expect(states('a')).toEqual(['loaded']);
    second.release();
    await clock.advance(60);
    (await residency.acquire('a')).release();
    await clock.advance(99);
    expect(states('a')).toEqual(['loaded']);
    await clock.advance(2);
    expect(states('a')).toEqual(['unloaded']);
    expect(inMemory.size).toBe(0);
  });

  it('says when an idle model will be unloaded', async () => {
    const { residency, clock, loaded } = setUp({ keepAliveSeconds: 100 });
    const lease = await loaded('a');
    expect(residency.stateOf('a').unloadsMs).toBeUndefined();
    lease.release();
    expect(residency.stateOf('a').unloadsMs).toBe(clock.nowMs() + 100_000);
  });

  it('with a keep-alive of 0 unloads at once, with -1 never', async () => {
    const none = setUp({ keepAliveSeconds: 0 });
    (await none.loaded('a')).release();
    await settle();
    expect(none.states('a')).toEqual(['unloaded']);
    const ever = setUp({ keepAliveSeconds: -1 });
    (await ever.loaded('a')).release();
    await ever.clock.advance(1e6);
    expect(ever.states('a')).toEqual(['loaded']);
  });

  it('loads by hand, and with a keep-alive of 0 keeps that for one request', async () => {
    const { residency, loads, states } = setUp({ keepAliveSeconds: 0 });
    const loading = residency.load('a');
    await loads[0]?.succeed();
    await loading;
    expect(states('a')).toEqual(['loaded']);
    (await residency.acquire('a')).release();
    await settle();
    expect(states('a')).toEqual(['unloaded']);
    expect(loads).toHaveLength(1);
  });

  it('unloads by hand what is idle, and nothing that is in use', async () => {
    const { residency, loaded, states } = setUp();
    const lease = await loaded('a');
    expect(await residency.unload('a')).toBe(false);
    expect(states('a')).toEqual(['loaded']);
    lease.release();
    expect(await residency.unload('a')).toBe(true);
    expect(states('a')).toEqual(['unloaded']);
    expect(await residency.unload('never seen')).toBe(true);
  });

  it('makes room by unloading the model that is longest idle', async () => {
    const { loads, residency, clock, loaded, states, events } = setUp({ budgetBytes: 20 });
    const a = await loaded('a');
    const b = await loaded('b');
    a.release();
    await clock.advance(1);
    b.release();
    const c = residency.acquire('c');
    expect(states('a', 'b', 'c')).toEqual(['unloading', 'loaded', 'loading']);
    expect(loads).toHaveLength(2);
    await settle();
    expect(loads.at(-1)?.id).toBe('c');
    await loads.at(-1)?.succeed();
    await c;
    expect(states('a', 'b', 'c')).toEqual(['unloaded', 'loaded', 'loaded']);
    expect(events).toContainEqual({ type: 'unload', id: 'a', reason: 'memory' });
  });

  it('waits for memory that a model at work holds, within the time for it', async () => {
    const { residency, clock, loaded, loads, states } = setUp({ budgetBytes: 10 });
    const a = await loaded('a');
    const patient = residency.acquire('b', { memoryWithinSeconds: 60 });
    const hasty = residency.acquire('b', { memoryWithinSeconds: 5 });
    const refused = expect(hasty).rejects.toThrow(ModelMemoryTimeoutError);
    await clock.advance(6);
    await refused;
    expect(states('a')).toEqual(['loaded']);
    a.release();
    await settle();
    await loads.at(-1)?.succeed();
    expect((await patient).loaded).toBe('b loaded');
  });

  it('counts the time for memory no further once the load runs', async () => {
    const { residency, clock, loads } = setUp();
    const lease = residency.acquire('a', { memoryWithinSeconds: 5 });
    await clock.advance(50);
    await loads[0]?.succeed();
    expect((await lease).loaded).toBe('a loaded');
  });

  it('refuses a model that can never fit, naming the setting', async () => {
    const { residency, loads } = setUp({ budgetBytes: 20, memory: { huge: 21 } });
    await expect(residency.acquire('huge')).rejects.toThrow(ModelTooLargeError);
    await expect(residency.acquire('huge')).rejects.toThrow('STENO_MODEL_MEMORY_BYTES');
    expect(loads).toHaveLength(0);
  });

  it('serves those who wait for memory in their order', async () => {
    const { residency, loaded, loads } = setUp({ budgetBytes: 30, memory: { big: 30, small: 10, busy: 20 } });
    const busy = await loaded('busy');
    const big = residency.acquire('big');
    const small = residency.acquire('small');
    await settle();
    expect(loads).toHaveLength(1);
    busy.release();
    await settle();
    expect(loads.at(-1)?.id).toBe('big');
    await loads.at(-1)?.succeed();
    (await big).release();
    await settle();
    await loads.at(-1)?.succeed();
    expect((await small).loaded).toBe('small loaded');
  });

  it('lets the next in line go when the first one leaves', async () => {
    const { residency, loaded, loads } = setUp({ budgetBytes: 30, memory: { big: 30, small: 10, busy: 20 } });
    await loaded('busy');
    const leaving = new AbortController();
    const big = residency.acquire('big', { signal: leaving.signal });
    const small = residency.acquire('small');
    leaving.abort();
    await expect(big).rejects.toThrow(AbortedError);
    await loads.at(-1)?.succeed();
    expect((await small).loaded).toBe('small loaded');
  });

  it('cancels a load when the last who waits leaves, not before', async () => {
    const { residency, loads, states, events } = setUp();
    const [first, second] = [new AbortController(), new AbortController()];
    const leases = [first, second].map(({ signal }) => residency.acquire('a', { signal }));
    const refused = leases.map((lease) => expect(lease).rejects.toThrow(AbortedError));
    first.abort();
    await settle();
    expect(loads[0]?.signal.aborted).toBe(false);
    second.abort();
    await settle();
    await Promise.all(refused);
    expect(loads[0]?.signal.aborted).toBe(true);
    expect(states('a')).toEqual(['unloaded']);
    expect(events.at(-1)).toMatchObject({ type: 'load-end', outcome: 'cancelled' });
  });

  it('loads anew for who comes while a cancelled load ends', async () => {
    const { residency, loads } = setUp();
    const leaving = new AbortController();
    const gone = residency.acquire('a', { signal: leaving.signal });
    leaving.abort();
    const lease = residency.acquire('a');
    await expect(gone).rejects.toThrow(AbortedError);
    await settle();
    expect(loads).toHaveLength(2);
    await loads[1]?.succeed();
    expect((await lease).loaded).toBe('a loaded');
  });

  it('gives up a load that takes too long', async () => {
    const { residency, clock, loads, states, events } = setUp();
    const lease = expect(residency.acquire('a')).rejects.toThrow(ModelLoadTimeoutError);
    await clock.advance(61);
    await lease;
    expect(loads[0]?.signal.aborted).toBe(true);
    expect(residency.stateOf('a')).toMatchObject({ state: 'failed', reason: 'not loaded within 60 seconds' });
    expect(states('b')).toEqual(['unloaded']);
    expect(events.at(-1)).toMatchObject({ outcome: 'timeout', second: 60 });
  });

  it("tells all who wait the engine's own words, and does not try again at once", async () => {
    const { residency, clock, loads, loaded } = setUp();
    const leases = [1, 2].map(() =>
      expect(residency.acquire('a')).rejects.toThrow("The model 'a' could not be loaded: no magic bytes."),
    );
    await loads[0]?.fail('no magic bytes.');
    await Promise.all(leases);
    expect(residency.stateOf('a')).toMatchObject({
      state: 'failed',
      reason: 'no magic bytes.',
      memoryBytes: 0,
    });
    await expect(residency.acquire('a')).rejects.toMatchObject({ retryAfterSecond: 2 });
    expect(loads).toHaveLength(1);
    // Other models are not harmed.
    (await loaded('b')).release();
    await clock.advance(3);
    const again = residency.acquire('a');
    await loads.at(-1)?.succeed();
    expect((await again).loaded).toBe('a loaded');
  });

  it('waits longer after each failure, and not at all by hand', async () => {
    const { residency, clock, loads } = setUp();
    for (const wait of [2, 4, 8, 16, 32, 60, 60]) {
      const failing = expect(residency.acquire('a')).rejects.toThrow('broken');
      await loads.at(-1)?.fail('broken');
      await failing;
      await expect(residency.acquire('a')).rejects.toMatchObject({ retryAfterSecond: wait });
      await clock.advance(wait);
    }
    const failing = expect(residency.acquire('a')).rejects.toThrow(ModelLoadError);
    await loads.at(-1)?.fail('broken');
    await failing;
    const byHand = residency.load('a');
    await loads.at(-1)?.succeed();
    await byHand;
    expect(residency.stateOf('a').state).toBe('loaded');
  });

  it('drops a model that breaks while it is used', async () => {
    const { residency, clock, loads, loaded, states } = setUp();
    const lease = await loaded('a');
    residency.broken('a', new ModelLoadError('a', 'its file is gone'));
    await settle();
    expect(residency.stateOf('a')).toMatchObject({ state: 'failed', reason: 'its file is gone' });
    await expect(residency.acquire('a')).rejects.toThrow('its file is gone');
    await clock.advance(2);
    const again = residency.acquire('a');
    await loads.at(-1)?.succeed();
    lease.release();
    await clock.advance(1000);
    expect(states('a')).toEqual(['loaded']);
    (await again).release();
    await clock.advance(1000);
    expect(states('a')).toEqual(['unloaded']);
  });

  it('on close ends what is loaded, cancels what is being loaded and refuses the rest', async () => {
    const { residency, loads, loaded, inMemory } = setUp({ budgetBytes: 20 });
    await loaded('a');
    const pending = ['b', 'c'].map((id) => expect(residency.acquire(id)).rejects.toThrow(ShuttingDownError));
    await residency.close();
    await Promise.all(pending);
    expect(loads.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(loads[1]?.signal.aborted).toBe(true);
    expect(inMemory.size).toBe(0);
    await expect(residency.acquire('a')).rejects.toThrow(ShuttingDownError);
  });
});
