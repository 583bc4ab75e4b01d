/**
 * How many samples are decoded, told to any number of readers. Counts are coalesced: a reader that was away sees the
 * newest only. Open until `end` or `fail`; what is published afterwards is ignored. A failure that nobody reads stays
 * silent.
 */
export class DecodeProgress implements AsyncIterable<number> {
  #samples = 0;
  #outcome: { readonly error?: unknown } | undefined;
  #wake: (() => void)[] = [];

  get samples(): number {
    return this.#samples;
  }

  publish(samples: number): void {
    if (this.#outcome !== undefined || samples <= this.#samples) return;
    this.#samples = samples;
    this.#wakeAll();
  }

  end(): void {
    this.#outcome ??= {};
    this.#wakeAll();
  }

  fail(error: unknown): void {
    this.#outcome ??= { error };
    this.#wakeAll();
  }

  /**
   * Waits until so many samples are there or decoding has ended; throws its failure unless the samples came first.
   */
  async reached(samples: number): Promise<void> {
    for await (const count of this) if (count >= samples) return;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<number> {
    let seen = 0;
    for (;;) {
      if (this.#samples > seen) {
        seen = this.#samples;
        yield seen;
      } else if (this.#outcome !== undefined) {
        if ('error' in this.#outcome) throw this.#outcome.error;
        return;
      } else await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }
}
