import { AbortedError, ModelLoadError, ModelLoadTimeoutError, ModelMemoryTimeoutError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { AcquireOptions, ResidentLease } from './residency-options.ts';

/** A model that is in memory, on its way there, or could not get there. The states are those of `Residency`. */
export interface Resident<Loaded> {
  readonly id: string;
  state: 'waiting' | 'loading' | 'loaded' | 'unloading' | 'failed';
  readonly waiters: Set<Waiter<Loaded>>;
  leases: number;
  loaded: Loaded | undefined;
  loadedMs: number;
  idleSinceMs: number;
  unloadsMs: number | undefined;
  stopIdleTimer: () => void;
  cancelLoad: () => void;
  /** Resolves when the unloading in progress is over. */
  leaving: Promise<void> | undefined;
  failure: LoadFailure | undefined;
}

/** A load that failed, how many did in a row, and when the next one may be. */
export interface LoadFailure {
  readonly error: Error;
  readonly times: number;
  readonly retryMs: number;
}

/** Somebody who waits for a model. */
export interface Waiter<Loaded> {
  readonly resolve: (lease: ResidentLease<Loaded>) => void;
  readonly reject: (error: Error) => void;
  /** There is memory: from now on only the load itself has a limit. */
  readonly stopDeadline: () => void;
}

/** After a load that failed the next one waits, doubling with each that fails; until then users get the failure at once. */
const RETRY_SECONDS = { first: 2, most: 60 };

export function createResident<Loaded>(id: string): Resident<Loaded> {
  return {
    id,
    state: 'waiting',
    waiters: new Set(),
    leases: 0,
    loaded: undefined,
    loadedMs: 0,
    idleSinceMs: 0,
    unloadsMs: undefined,
    stopIdleTimer: () => undefined,
    cancelLoad: () => undefined,
    leaving: undefined,
    failure: undefined,
  };
}

/** Lets somebody wait for a model, until it is there, the signal is aborted or memory does not come in time. */
export function waitFor<Loaded>(
  resident: Resident<Loaded>,
  { signal, memoryWithinSeconds }: AcquireOptions,
  { clock, onLeave }: { readonly clock: Clock; readonly onLeave: () => void },
): Promise<ResidentLease<Loaded>> {
  return new Promise((resolve, reject) => {
    const leave = (error: Error): void => {
      resident.waiters.delete(waiter);
      waiter.reject(error);
      onLeave();
    };
    const abort = (): void => leave(new AbortedError(signal?.reason));
    const settled = (): void => {
      stopDeadline();
      signal?.removeEventListener('abort', abort);
    };
    const stopDeadline =
      memoryWithinSeconds === undefined
        ? () => undefined
        : clock.after(memoryWithinSeconds * 1000, () =>
            leave(new ModelMemoryTimeoutError(resident.id, memoryWithinSeconds)),
          );
    const waiter: Waiter<Loaded> = {
      resolve: (lease) => {
        settled();
        resolve(lease);
      },
      reject: (error) => {
        settled();
        reject(error);
      },
      stopDeadline,
    };
    signal?.addEventListener('abort', abort, { once: true });
    if (resident.state === 'loading') stopDeadline();
    resident.waiters.add(waiter);
  });
}

/** Takes everybody out who waits. */
export function takeWaiters<Loaded>({ waiters }: Resident<Loaded>): Waiter<Loaded>[] {
  const all = [...waiters];
  waiters.clear();
  return all;
}

export function nextFailure(last: LoadFailure | undefined, error: Error, nowMs: number): LoadFailure {
  const times = (last?.times ?? 0) + 1;
  const waitSecond = Math.min(RETRY_SECONDS.most, RETRY_SECONDS.first * 2 ** (times - 1));
  return { error, times, retryMs: nowMs + waitSecond * 1000 };
}

export function reasonOf({ error }: LoadFailure): string {
  return error instanceof ModelLoadError || error instanceof ModelLoadTimeoutError
    ? error.reason
    : error.message;
}
