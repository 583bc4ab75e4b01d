import { ModelLoadError, ModelLoadTimeoutError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { ResidencyOptions } from './residency-options.ts';

export type LoadEnd<Loaded> =
  | { readonly outcome: 'loaded'; readonly loaded: Loaded }
  | { readonly outcome: 'failed' | 'timeout'; readonly error: Error }
  | { readonly outcome: 'cancelled' };

export interface ModelLoad<Loaded> {
  /** Never rejects. However it ends: nothing stays in memory but what it answers. */
  readonly end: Promise<LoadEnd<Loaded>>;
  cancel(): void;
}

/** Loads a model within the time for it. */
export function startLoad<Loaded>(
  id: string,
  { load, unload, loadSeconds }: ResidencyOptions<Loaded>,
  clock: Clock,
): ModelLoad<Loaded> {
  const abort = new AbortController();
  const stopTimer = clock.after(loadSeconds * 1000, () =>
    abort.abort(new ModelLoadTimeoutError(id, loadSeconds)),
  );
  const run = async (): Promise<LoadEnd<Loaded>> => {
    try {
      const loaded = await load(id, abort.signal);
      if (!abort.signal.aborted) return { outcome: 'loaded', loaded };
      // It was given up just as it came to its end.
      await unload(id, loaded);
      return endOf(id, abort.signal.reason);
    } catch (error) {
      return endOf(id, abort.signal.aborted ? abort.signal.reason : error);
    } finally {
      stopTimer();
    }
  };
  return { end: run(), cancel: () => abort.abort(CANCELLED) };
}

const CANCELLED = Symbol('nobody waits for the model any more');

function endOf(id: string, thrown: unknown): LoadEnd<never> {
  if (thrown === CANCELLED) return { outcome: 'cancelled' };
  if (thrown instanceof ModelLoadTimeoutError) return { outcome: 'timeout', error: thrown };
  if (thrown instanceof ModelLoadError) return { outcome: 'failed', error: thrown };
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return { outcome: 'failed', error: new ModelLoadError(id, reason) };
}
