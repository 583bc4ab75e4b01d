import { setTimeout as sleep } from 'node:timers/promises';
import { AbortedError } from '../errors.ts';
import { DownloadError } from './download-error.ts';

export interface RetryPolicy {
  /** Failures in a row, none of which brought a byte, or only a trickle. */
  readonly fruitless: number;
  /** Failures in all. */
  readonly total: number;
  /** Wait after the first failure; each fruitless one after it waits twice as long. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
}

/** Some 8 s of a hub that is away; a connection that keeps breaking but brings something each time goes on for long. */
export const DEFAULT_RETRY: RetryPolicy = {
  fruitless: 4,
  total: 200,
  firstWaitMs: 500,
  longestWaitMs: 60_000,
};

/** Counts the failures of one piece of work and waits between them. */
export class RetryBudget {
  readonly #policy: RetryPolicy;
  #fruitless = 0;
  #total = 0;

  constructor(policy: RetryPolicy) {
    this.#policy = policy;
  }

  /** Waits until the next attempt. Throws the error when it is not transient or the budget is spent, AbortedError when aborted. */
  async spend(error: unknown, progressed: boolean, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) throw new AbortedError(error);
    if (!(error instanceof DownloadError) || !error.transient) throw error;
    this.#total += 1;
    this.#fruitless = progressed && !error.fruitless ? 1 : this.#fruitless + 1;
    const { fruitless, total, firstWaitMs, longestWaitMs } = this.#policy;
    if (this.#fruitless > fruitless || this.#total > total) throw error;
    const waitMs = error.retryAfterMs ?? firstWaitMs * 2 ** (this.#fruitless - 1);
    await sleep(Math.min(waitMs, longestWaitMs), undefined, signal === undefined ? {} : { signal }).catch(
      (cause: unknown) => {
        throw new AbortedError(cause);
      },
    );
  }
}
