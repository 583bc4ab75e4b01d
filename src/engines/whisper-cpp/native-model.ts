import type { NativeContext, NativeResult } from './binding.ts';
import type { NativeLog } from './native-log.ts';
import { trackNativeWork } from './native-work.ts';

export interface NativeRun {
  /** Resolves when the computation has ended: with the result, or with nothing when it was stopped. Rejects with the reason it failed. */
  readonly ended: Promise<NativeResult | undefined>;
  /** Asks it to end; Whisper computes on to the end of the chunk. */
  stop(): void;
}

export interface NativeModelOptions<Options> {
  readonly open: () => NativeContext<Options>;
  readonly log: NativeLog;
}

/** A loaded model that runs one chunk at a time. */
export class NativeModel<Options> {
  readonly #options: NativeModelOptions<Options>;
  #context: NativeContext<Options>;

  /** Blocks while the model is read. Throws an error with whisper.cpp's reason. */
  static async open<Options>(options: NativeModelOptions<Options>): Promise<NativeModel<Options>> {
    return new NativeModel(options, await openContext(options));
  }

  private constructor(options: NativeModelOptions<Options>, context: NativeContext<Options>) {
    this.#options = options;
    this.#context = context;
  }

  /** Only when the last run has ended: native runs of one model wait for each other on threads that others need. */
  run(pcm: ArrayBuffer, options: Options): NativeRun {
    const { log } = this.#options;
    log.forget();
    const { result: job, over } = trackNativeWork(() => this.#context.transcribeData(pcm, options));
    let isStopped = false;
    // The binding never settles the promise of a run that failed or, for Whisper, was stopped.
    const ended = Promise.race([job.promise, over]).then(async (result) => {
      if (isStopped) return undefined;
      if (result === undefined) throw new Error(`the model failed on this chunk: ${await log.reason()}`);
      return result;
    });
    const stop = (): void => {
      isStopped = true;
      void job.stop();
    };
    return { ended, stop };
  }

  /** Loads the model anew: its random numbers begin from the start. */
  async reopen(): Promise<void> {
    await this.#context.release();
    this.#context = await openContext(this.#options);
  }

  /** Its memory is free when the run that computes, if any, has ended. */
  async close(): Promise<void> {
    await this.#context.release();
  }
}

async function openContext<Options>({
  open,
  log,
}: NativeModelOptions<Options>): Promise<NativeContext<Options>> {
  log.forget();
  try {
    return open();
  } catch (error) {
    throw new Error(`whisper.cpp cannot load the model: ${await log.reason()}`, { cause: error });
  }
}
