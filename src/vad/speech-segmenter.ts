/** Speech from `startFrame` up to, not including, `endFrame`. */
export interface SpeechSpan {
  readonly startFrame: number;
  readonly endFrame: number;
}

export interface SpeechSegmenterOptions {
  /** Speech starts at a frame of at least this probability. */
  readonly startThreshold: number;
  /** Speech goes on while frames stay at or above this. */
  readonly endThreshold: number;
  /** Speech ends after so many frames below `endThreshold`. */
  readonly minimumSilenceFrames: number;
  /** Shorter speech is dropped, unless one of its frames reaches `sureThreshold`. */
  readonly minimumSpeechFrames: number;
  readonly sureThreshold: number;
}

/**
 * Frame probabilities to speech spans by two thresholds with hysteresis, as Silero's own reference code does. Streaming: the
 * result does not depend on how the frames are cut into blocks.
 */
export class SpeechSegmenter {
  readonly #options: SpeechSegmenterOptions;
  #frame = 0;
  #start: number | undefined;
  #lastVoiced = 0;
  #peak = 0;
  #ended = false;

  constructor(options: SpeechSegmenterOptions) {
    this.#options = options;
  }

  /** Frames seen so far. */
  get frames(): number {
    return this.#frame;
  }

  /** First frame of the speech that is going on now; undefined in silence. */
  get openStart(): number | undefined {
    return this.#start;
  }

  /** Takes the next frame; answers the span that it ends, if any. */
  push(probability: number): SpeechSpan | undefined {
    const frame = this.#frame++;
    if (this.#start === undefined) {
      if (probability < this.#options.startThreshold) return undefined;
      this.#start = frame;
      this.#peak = 0;
    }
    this.#peak = Math.max(this.#peak, probability);
    if (probability >= this.#options.endThreshold) {
      this.#lastVoiced = frame;
      return undefined;
    }
    return frame - this.#lastVoiced >= this.#options.minimumSilenceFrames ? this.#close() : undefined;
  }

  /** Goes on with speech that starts at `frame`, which lies in the speech of now: a cut without a pause. */
  restartSpeechAt(frame: number): void {
    this.#start = frame;
    this.#lastVoiced = Math.max(this.#lastVoiced, frame);
  }

  /** True after `end`. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Ends the input; answers the span that was still going on. */
  end(): SpeechSpan | undefined {
    this.#ended = true;
    return this.#start === undefined ? undefined : this.#close();
  }

  #close(): SpeechSpan | undefined {
    const span = { startFrame: this.#start ?? 0, endFrame: this.#lastVoiced + 1 };
    this.#start = undefined;
    const long = span.endFrame - span.startFrame >= this.#options.minimumSpeechFrames;
    return long || this.#peak >= this.#options.sureThreshold ? span : undefined;
  }
}
