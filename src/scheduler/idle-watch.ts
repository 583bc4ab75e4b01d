import type { InferenceHost } from './inference-host.ts';

export interface IdleWatchOptions {
  readonly hosts: readonly InferenceHost[];
  readonly isIdle: () => boolean;
  /** After so long all processes but one end until there is work again, and that one gives back what it has grown by. */
  readonly renewAfterMs: number | undefined;
  /** After so long all processes end until there is work again; undefined never. */
  readonly restAfterMs: number | undefined;
}

/** Gives memory back when there is nothing to do. */
export class IdleWatch {
  readonly #options: IdleWatchOptions;
  #timers: NodeJS.Timeout[] = [];

  constructor(options: IdleWatchOptions) {
    this.#options = options;
  }

  /** Starts the clocks anew, unless there is work. */
  look(): void {
    this.stop();
    if (!this.#options.isIdle()) return;
    const { renewAfterMs, restAfterMs } = this.#options;
    if (renewAfterMs !== undefined) this.#after(renewAfterMs, () => this.#renew());
    if (restAfterMs !== undefined) this.#after(restAfterMs, () => this.rest());
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }

  /** Ends what has nothing to do. */
  async rest(): Promise<void> {
    await Promise.all(this.#options.hosts.map((host) => host.rest()));
  }

  async #renew(): Promise<void> {
    const { hosts, isIdle } = this.#options;
    const staying = hosts.find((host) => host.lane === 'any' && host.ready);
    for (const host of hosts) {
      if (!isIdle()) return;
      if (host !== staying) await host.rest();
    }
    if (isIdle()) await staying?.renew();
  }

  #after(delayMs: number, run: () => Promise<void>): void {
    // A process that cannot be started now is one that goes on as it is.
    const timer = setTimeout(() => void run().catch(() => undefined), delayMs);
    timer.unref();
    this.#timers.push(timer);
  }
}
