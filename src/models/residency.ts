import { AbortedError, ModelLoadError, ModelTooLargeError, ShuttingDownError } from '../errors.ts';
import { type Clock, SYSTEM_CLOCK } from '../util/clock.ts';
import { findRoom, type MemoryHolder } from './memory-budget.ts';
import { type LoadEnd, startLoad } from './model-load.ts';
import type {
  AcquireOptions,
  ModelResidency,
  ResidencyOptions,
  ResidentLease,
  UnloadReason,
} from './residency-options.ts';
import { createResident, nextFailure, type Resident, reasonOf, takeWaiters, waitFor } from './resident.ts';

/**
 * Keeps models in memory while they are used and some time longer, within a budget.
 *
 * A model is `waiting` (for memory, in line) -> `loading` -> `loaded` -> `unloading` -> gone. A load that fails goes to `failed`
 * until its next try. Everybody who asks for the same model shares its one load; when the last of them leaves, it is cancelled.
 * Who waits for memory is served in order. A model in use is never unloaded, whoever waits.
 */
export class Residency<Loaded> {
  readonly #options: ResidencyOptions<Loaded>;
  readonly #clock: Clock;
  readonly #residents = new Map<string, Resident<Loaded>>();
  /** Loads and unloads in progress. */
  readonly #work = new Set<Promise<void>>();
  /** Ids that wait for memory, first come first. */
  #line: string[] = [];
  #closed = false;

  constructor(options: ResidencyOptions<Loaded>) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /**
   * Waits until the model is loaded and keeps it so. Rejects with AbortedError, ModelTooLargeError, ModelMemoryTimeoutError,
   * ModelLoadError, ModelLoadTimeoutError or ShuttingDownError.
   */
  acquire(id: string, options: AcquireOptions = {}): Promise<ResidentLease<Loaded>> {
    const refusal = this.#refusal(id, options.signal);
    if (refusal !== undefined) return Promise.reject(refusal);
    const resident = this.#residents.get(id) ?? this.#add(id);
    if (resident.state === 'failed') this.#queue(resident);
    if (resident.state === 'loaded' && resident.loaded !== undefined)
      return Promise.resolve(this.#lease(resident, resident.loaded));
    const onLeave = (): void => this.#abandon(resident);
    const lease = waitFor(resident, options, { clock: this.#clock, onLeave });
    this.#advance();
    return lease;
  }

  /**
   * Loads a model without a request; a failure before does not stand in the way. It stays as after a request, but with no time to
   * stay until its first one: else loading it would be in vain.
   */
  async load(id: string, options: AcquireOptions = {}): Promise<void> {
    if (this.#residents.get(id)?.state === 'failed') this.#residents.delete(id);
    const lease = await this.acquire(id, options);
    const resident = this.#residents.get(id);
    if (resident !== undefined && resident.leases === 1 && this.#options.keepAliveSecondsOf(id) === 0)
      resident.leases = 0;
    else lease.release();
  }

  /** False when it is in use or being loaded. True when it is not in memory any more. */
  async unload(id: string): Promise<boolean> {
    const resident = this.#residents.get(id);
    if (resident?.state === 'failed') this.#residents.delete(id);
    if (resident?.state === 'loaded' && resident.leases === 0) this.#unload(resident, 'by-hand');
    await resident?.leaving;
    return this.stateOf(id).state === 'unloaded';
  }

  /** For a loaded model that turns out to work no more: it leaves memory, and its next load waits as after a failed one. */
  broken(id: string, error: Error): void {
    const resident = this.#residents.get(id);
    if (resident?.state !== 'loaded') return;
    resident.failure = nextFailure(resident.failure, error, this.#clock.nowMs());
    this.#unload(resident, 'broken');
  }

  stateOf(id: string): ModelResidency {
    const resident = this.#residents.get(id);
    if (resident === undefined) return { state: 'unloaded', leases: 0, memoryBytes: 0 };
    const { state, leases, waiters, failure, loadedMs, unloadsMs } = resident;
    return {
      state: state === 'waiting' ? 'loading' : state,
      ...(state === 'failed' && failure !== undefined ? { reason: reasonOf(failure) } : {}),
      leases: leases + waiters.size,
      memoryBytes: state === 'waiting' || state === 'failed' ? 0 : this.#options.memoryBytesOf(id),
      ...(state === 'loaded' ? { loadedMs } : {}),
      ...(unloadsMs === undefined ? {} : { unloadsMs }),
    };
  }

  /** Models that are loaded now. */
  loaded(): ReadonlyMap<string, Loaded> {
    const entries = [...this.#residents.values()].flatMap(({ id, state, loaded }) =>
      state === 'loaded' && loaded !== undefined ? [[id, loaded] as const] : [],
    );
    return new Map(entries);
  }

  /** Ends all models, whoever uses them; who waits gets ShuttingDownError. Resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#line = [];
    for (const resident of [...this.#residents.values()]) {
      for (const waiter of takeWaiters(resident)) waiter.reject(new ShuttingDownError());
      if (resident.state === 'loading') resident.cancelLoad();
      this.#unload(resident, 'closing');
    }
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #refusal(id: string, signal: AbortSignal | undefined): Error | undefined {
    const { budgetBytes, memoryBytesOf } = this.#options;
    if (this.#closed) return new ShuttingDownError();
    if (signal?.aborted) return new AbortedError(signal.reason);
    if (budgetBytes > 0 && memoryBytesOf(id) > budgetBytes)
      return new ModelTooLargeError(id, memoryBytesOf(id), budgetBytes);
    const { state, failure } = this.#residents.get(id) ?? {};
    if (state !== 'failed' || failure === undefined) return undefined;
    const waitMs = failure.retryMs - this.#clock.nowMs();
    return waitMs > 0 ? new ModelLoadError(id, reasonOf(failure), waitMs / 1000) : undefined;
  }

  #add(id: string): Resident<Loaded> {
    const resident = createResident<Loaded>(id);
    this.#residents.set(id, resident);
    this.#line.push(id);
    return resident;
  }

  #queue(resident: Resident<Loaded>): void {
    resident.state = 'waiting';
    this.#line.push(resident.id);
  }

  /** With nobody left, what waits or is being loaded is given up. */
  #abandon(resident: Resident<Loaded>): void {
    if (resident.waiters.size > 0) return;
    if (resident.state === 'loading') {
      resident.state = 'unloading';
      resident.cancelLoad();
    } else if (resident.state === 'waiting') {
      this.#line = this.#line.filter((id) => id !== resident.id);
      this.#gone(resident);
    }
  }

  /** Gives the first in line its memory, if there is any to be had, and so on. */
  #advance(): void {
    const { memoryBytesOf, budgetBytes } = this.#options;
    while (!this.#closed) {
      const first = this.#residents.get(this.#line[0] ?? '');
      if (first === undefined) return;
      const room = findRoom(memoryBytesOf(first.id), budgetBytes, this.#holders());
      if (room.kind === 'wait') return;
      if (room.kind === 'fits') this.#load(first);
      else
        for (const id of room.ids) {
          const idle = this.#residents.get(id);
          if (idle !== undefined) this.#unload(idle, 'memory');
        }
    }
  }

  #holders(): MemoryHolder[] {
    return [...this.#residents.values()].flatMap(({ id, state, leases, idleSinceMs }) => {
      if (state === 'waiting' || state === 'failed') return [];
      const use = state === 'unloading' ? 'leaving' : state === 'loaded' && leases === 0 ? 'idle' : 'busy';
      const memoryBytes = this.#options.memoryBytesOf(id);
      return [{ id, memoryBytes, idleSince: idleSinceMs, state: use } as const];
    });
  }

  #load(resident: Resident<Loaded>): void {
    const { id, waiters } = resident;
    this.#line.shift();
    resident.state = 'loading';
    for (const waiter of waiters) waiter.stopDeadline();
    this.#options.onEvent?.({ type: 'load-start', id });
    const startMs = this.#clock.nowMs();
    const load = startLoad(id, this.#options, this.#clock);
    resident.cancelLoad = load.cancel;
    const finish = (end: LoadEnd<Loaded>): void => {
      const second = (this.#clock.nowMs() - startMs) / 1000;
      const error = 'error' in end ? end.error : undefined;
      this.#options.onEvent?.({ type: 'load-end', id, outcome: end.outcome, second, error });
      if (end.outcome === 'loaded') this.#loaded(resident, end.loaded);
      else this.#notLoaded(resident, error);
    };
    this.#track(load.end.then(finish));
  }

  #loaded(resident: Resident<Loaded>, loaded: Loaded): void {
    resident.state = 'loaded';
    resident.loaded = loaded;
    resident.failure = undefined;
    resident.loadedMs = this.#clock.nowMs();
    for (const waiter of takeWaiters(resident)) waiter.resolve(this.#lease(resident, loaded));
    // The last one may have left at the very end of the load.
    if (this.#closed) this.#unload(resident, 'closing');
    else if (resident.leases === 0) this.#idle(resident);
  }

  #notLoaded(resident: Resident<Loaded>, error: Error | undefined): void {
    if (error !== undefined) {
      resident.failure = nextFailure(resident.failure, error, this.#clock.nowMs());
      for (const waiter of takeWaiters(resident)) waiter.reject(error);
    }
    this.#gone(resident);
  }

  #lease(resident: Resident<Loaded>, loaded: Loaded): ResidentLease<Loaded> {
    resident.leases += 1;
    this.#stay(resident);
    let held = true;
    return {
      loaded,
      release: () => {
        if (!held) return;
        held = false;
        resident.leases -= 1;
        if (resident.leases > 0 || resident.state !== 'loaded') return;
        this.#idle(resident);
        this.#advance();
      },
    };
  }

  /** Starts the clock after which the model leaves. */
  #idle(resident: Resident<Loaded>): void {
    resident.idleSinceMs = this.#clock.nowMs();
    const keepSeconds = this.#options.keepAliveSecondsOf(resident.id);
    if (keepSeconds < 0) return;
    if (keepSeconds === 0) {
      this.#unload(resident, 'idle');
      return;
    }
    resident.unloadsMs = resident.idleSinceMs + keepSeconds * 1000;
    resident.stopIdleTimer = this.#clock.after(keepSeconds * 1000, () => this.#unload(resident, 'idle'));
  }

  #stay(resident: Resident<Loaded>): void {
    resident.stopIdleTimer();
    resident.unloadsMs = undefined;
  }

  #unload(resident: Resident<Loaded>, reason: UnloadReason): void {
    const { id, loaded } = resident;
    if (resident.state !== 'loaded' || loaded === undefined) return;
    this.#stay(resident);
    resident.state = 'unloading';
    this.#options.onEvent?.({ type: 'unload', id, reason });
    resident.leaving = this.#options.unload(id, loaded).then(() => this.#gone(resident));
    this.#track(resident.leaving);
  }

  /** It holds no memory. Who came meanwhile stands in line. */
  #gone(resident: Resident<Loaded>): void {
    const { id, failure, waiters } = resident;
    resident.loaded = undefined;
    if (waiters.size > 0 && !this.#closed) this.#queue(resident);
    else if (failure !== undefined && !this.#closed) resident.state = 'failed';
    else this.#residents.delete(id);
    this.#advance();
  }

  #track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }
}
