import type { Stage } from '../metrics.ts';

/** Where a request's time went, by stage; stages that run for several chunks at once add up to more than the clock shows. */
export class Timings {
  readonly #seconds = new Map<Stage, number>();

  add(stage: Stage, second: number): void {
    this.#seconds.set(stage, (this.#seconds.get(stage) ?? 0) + second);
  }

  entries(): [Stage, number][] {
    return [...this.#seconds];
  }

  /** Whole milliseconds by stage, for the log; undefined when there are none. */
  forLog(): Record<string, number> | undefined {
    if (this.#seconds.size === 0) return undefined;
    return Object.fromEntries(this.entries().map(([stage, second]) => [stage, Math.round(second * 1000)]));
  }

  /** `upload;dur=1.2, decode;dur=70`, https://www.w3.org/TR/server-timing/; undefined when there are none. */
  forHeader(): string | undefined {
    if (this.#seconds.size === 0) return undefined;
    return this.entries()
      .map(([stage, second]) => `${stage};dur=${Math.round(second * 10_000) / 10}`)
      .join(', ');
  }
}
