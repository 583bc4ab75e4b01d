/**
 * A queue between one producer and one consumer that holds at most `capacity` items: `push` waits when it is full. `end` and
 * `fail` close it; the consumer gets what is left first.
 */
export class BoundedQueue<Item> implements AsyncIterable<Item> {
  readonly #capacity: number;
  readonly #items: Item[] = [];
  #closed: { readonly error?: unknown } | undefined;
  #wakeProducer: (() => void) | undefined;
  #wakeConsumer: (() => void) | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Resolves once the item is in; false when the queue was closed before. */
  async push(item: Item): Promise<boolean> {
    while (this.#items.length >= this.#capacity && this.#closed === undefined)
      await new Promise<void>((resolve) => {
        this.#wakeProducer = resolve;
      });
    if (this.#closed !== undefined) return false;
    this.#items.push(item);
    this.#wakeConsumer?.();
    return true;
  }

  end(): void {
    this.#close({});
  }

  /** The consumer gets `error` after the items that are in. */
  fail(error: unknown): void {
    this.#close({ error });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void> {
    try {
      while (true) {
        const item = this.#items.shift();
        if (item !== undefined) {
          this.#wakeProducer?.();
          yield item;
        } else if (this.#closed === undefined) {
          await new Promise<void>((resolve) => {
            this.#wakeConsumer = resolve;
          });
        } else if ('error' in this.#closed) {
          throw this.#closed.error;
        } else {
          return;
        }
      }
    } finally {
      // A consumer that leaves early frees the producer.
      this.#close({});
    }
  }

  #close(how: { readonly error?: unknown }): void {
    this.#closed ??= how;
    this.#wakeProducer?.();
    this.#wakeConsumer?.();
  }
}
