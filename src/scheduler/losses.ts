import type { HostLoss } from './inference-host-options.ts';

/** So many ends of processes within the window are too many. */
const CRASHES = { most: 3, windowMs: 60_000 };

/** After so many starts in a row that came to nothing and said nothing, the models are taken for not loadable. */
const MOST_MUTE_STARTS = 2;

/** Ends of processes that nobody asked for, and what follows from them. */
export class Losses {
  readonly #timesMs: number[] = [];
  #muteStarts = 0;

  get tooMany(): boolean {
    const sinceMs = Date.now() - CRASHES.windowMs;
    return this.#timesMs.filter((time) => time >= sinceMs).length >= CRASHES.most;
  }

  /** A process got its models loaded. */
  noteLoaded(): void {
    this.#muteStarts = 0;
  }

  /** Answers why the models cannot be loaded, when this shows it: the process said so, or it is one too many. */
  note({ loaded, failure, silent, reason }: HostLoss): LoadTrouble | undefined {
    this.#timesMs.push(Date.now());
    if (this.#timesMs.length > CRASHES.most) this.#timesMs.shift();
    if (loaded) return undefined;
    if (failure !== undefined) return { reason: failure, kind: 'failed' };
    if (silent) return { reason: 'it took too long', kind: 'too-slow' };
    this.#muteStarts += 1;
    if (this.#muteStarts < MOST_MUTE_STARTS) return undefined;
    return { reason: `the inference process ended while loading it (${reason})`, kind: 'failed' };
  }
}

export interface LoadTrouble {
  readonly reason: string;
  readonly kind: 'failed' | 'too-slow';
}
