import type { ModelEntry } from '../models/catalog.ts';
import type { TranscribeResult, TranscribeTask } from '../scheduler/inference-protocol.ts';
import type { ModelLease, ModelPools } from '../scheduler/model-pools.ts';
import type { SubmitOptions } from '../scheduler/scheduler-options.ts';
import type { StageTiming } from './transcriber.ts';

/** The model of one recording: loaded when it is first wanted, let go at the end. */
export interface ModelAccess extends Disposable {
  /** Has the model loaded if it is not, while other stages are at work. What goes wrong is told by `submit`. */
  prepare(): void;
  /** Runs a task as soon as the model is there. Rejects as `ModelPools.lease` and `Scheduler.submit` do. */
  submit(task: TranscribeTask, options: SubmitOptions): Promise<TranscribeResult>;
}

export interface ModelAccessOptions {
  readonly pools: Pick<ModelPools, 'lease'>;
  readonly model: ModelEntry;
  /** Aborted at the end of the recording's work at the latest. */
  readonly signal: AbortSignal;
  /** How long to wait for memory that other models hold. */
  readonly startWithinSeconds: number;
  /** Told how long the model was waited for. */
  readonly onTiming?: ((timing: StageTiming) => void) | undefined;
}

export function createModelAccess(options: ModelAccessOptions): ModelAccess {
  const { pools, model, signal, startWithinSeconds, onTiming } = options;
  let lease: Promise<ModelLease> | undefined;
  const open = (): Promise<ModelLease> => {
    const startMs = performance.now();
    lease ??= pools.lease(model, { signal, startWithinSeconds }).then((opened) => {
      onTiming?.({ stage: 'load', second: (performance.now() - startMs) / 1000 });
      return opened;
    });
    return lease;
  };
  return {
    prepare() {
      // Whoever submits a task hears of it.
      open().catch(() => undefined);
    },
    async submit(task, submitOptions) {
      return (await open()).submit(task, submitOptions);
    },
    [Symbol.dispose]() {
      void lease?.then(
        (opened) => opened.release(),
        () => undefined,
      );
    },
  };
}
