import type { Clock } from '../util/clock.ts';

export type LoadOutcome = 'loaded' | 'failed' | 'timeout' | 'cancelled';
export type UnloadReason = 'idle' | 'memory' | 'by-hand' | 'broken' | 'closing';

/** What happens to a model's place in memory. */
export type ResidencyEvent =
  | { readonly type: 'load-start'; readonly id: string }
  | {
      readonly type: 'load-end';
      readonly id: string;
      readonly outcome: LoadOutcome;
      readonly second: number;
      readonly error?: Error | undefined;
    }
  | { readonly type: 'unload'; readonly id: string; readonly reason: UnloadReason };

export interface ResidencyOptions<Loaded> {
  /** Starts a model. When the signal is aborted it rejects soon and leaves nothing behind. */
  readonly load: (id: string, signal: AbortSignal) => Promise<Loaded>;
  /** Ends a model; its memory is free when this resolves. Never rejects. */
  readonly unload: (id: string, loaded: Loaded) => Promise<void>;
  /** Memory a loaded model takes; an estimate. */
  readonly memoryBytesOf: (id: string) => number;
  /** Memory that all models together may take; 0 is no limit. */
  readonly budgetBytes: number;
  /** How long a model stays after its last request: 0 not at all, -1 for ever. */
  readonly keepAliveSecondsOf: (id: string) => number;
  /** A load that takes longer is given up. */
  readonly loadSeconds: number;
  readonly onEvent?: (event: ResidencyEvent) => void;
  readonly clock?: Clock;
}

export interface AcquireOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for memory that models in use hold; loading itself is not counted. Default no limit. */
  readonly memoryWithinSeconds?: number | undefined;
}

/** A model that stays loaded until `release`; calling that twice is fine. */
export interface ResidentLease<Loaded> {
  readonly loaded: Loaded;
  release(): void;
}

/** How things stand with one model. */
export interface ModelResidency {
  /** `loading` also while it waits for memory. `failed`: the last load did; the next one comes with the next request. */
  readonly state: 'unloaded' | 'loading' | 'loaded' | 'unloading' | 'failed';
  /** Why it failed. */
  readonly reason?: string;
  /** Requests that use it or wait for it. */
  readonly leases: number;
  /** An estimate of what it takes now; 0 when it is not in memory. */
  readonly memoryBytes: number;
  /** Unix milliseconds. */
  readonly loadedMs?: number;
  /** Unix milliseconds at which it is unloaded if nobody uses it before. */
  readonly unloadsMs?: number;
}
