/** Sizes are multiples of so many samples, four seconds: sounds of like length fit the same place. */
const SIZE_STEP = 64_000;

/** A place for the sound of one task, its taker's alone until `release`. */
export interface SoundBuffer {
  /** As many samples as were asked for, with whatever was there before. */
  readonly samples: Float32Array;
  /** Gives the place to whoever asks next; nothing may read or write the samples afterwards. Again does nothing. */
  release(): void;
}

/**
 * Places for the sound of tasks, used again when their task is done. Arrays made anew for each lie outside V8's heap, which lets some 50 MB of
 * them pile up before it looks for garbage.
 */
export class SoundBuffers {
  readonly #free: Float32Array[] = [];

  take(length: number): SoundBuffer {
    const found = this.#free.findIndex((place) => place.length >= length);
    // When all are too short the last of them makes room for the new one: no more are kept than were ever in use together.
    const [place] = this.#free.splice(found, 1);
    const fitting =
      found >= 0 && place !== undefined
        ? place
        : new Float32Array(Math.ceil(Math.max(length, 1) / SIZE_STEP) * SIZE_STEP);
    let held = true;
    return {
      samples: fitting.subarray(0, length),
      release: () => {
        if (held) this.#free.push(fitting);
        held = false;
      },
    };
  }
}
