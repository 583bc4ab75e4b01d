export interface BoundedPoolOptions<Item> {
  /** Items in use at once; who wants more waits, first come first served. */
  readonly most: number;
  /** Items that nobody has wanted for so long are dropped. */
  readonly keepMs: number;
  readonly create: () => Promise<Item>;
}

/** Things that cost memory and are used again and again. */
export class BoundedPool<Item> {
  readonly #options: BoundedPoolOptions<Item>;
  readonly #waiting: ((item: Item | undefined) => void)[] = [];
  #idle: Item[] = [];
  #used = 0;
  #forget: NodeJS.Timeout | undefined;

  constructor(options: BoundedPoolOptions<Item>) {
    this.#options = options;
  }

  /** An item for the caller alone until {@link release}. */
  async acquire(): Promise<Item> {
    const item = this.#used < this.#options.most ? this.#take() : await this.#wait();
    if (item !== undefined) return item;
    try {
      return await this.#options.create();
    } catch (error) {
      this.#pass(undefined);
      throw error;
    }
  }

  /** To be called once for what `acquire` gave. */
  release(item: Item): void {
    this.#pass(item);
  }

  #take(): Item | undefined {
    this.#used += 1;
    return this.#idle.pop();
  }

  #wait(): Promise<Item | undefined> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** To who waits, with the right to make one where there is none; or back. */
  #pass(item: Item | undefined): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next(item);
      return;
    }
    this.#used -= 1;
    if (item !== undefined) this.#idle.push(item);
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => {
      this.#idle = [];
    }, this.#options.keepMs);
    this.#forget.unref();
  }
}
