import { FRAME_SAMPLES } from './frames.ts';
import { SpeechSegmenter, type SpeechSegmenterOptions, type SpeechSpan } from './speech-segmenter.ts';

/** A stretch of the recording for one engine call. */
export interface SpeechChunk {
  /** With padding: what the engine hears. */
  readonly startSample: number;
  readonly endSample: number;
  /** The speech in it, without padding, in samples from the start of the recording. */
  readonly speech: readonly { readonly startSample: number; readonly endSample: number }[];
  /** Mean speech probability over the frames called speech. */
  readonly speechProbability: number;
}

export interface ChunkingOptions extends SpeechSegmenterOptions {
  /** No chunk holds more speech and pauses than this, in frames, padding apart. */
  readonly longestFrames: number;
  /** A pause of so many frames ends a chunk that is at least `shortestFrames` long. */
  readonly pauseFrames: number;
  readonly shortestFrames: number;
  /** A pause of so many frames ends any chunk. */
  readonly longPauseFrames: number;
  /** Sound kept before and after the speech, in samples; at most half the pause to the neighbour. */
  readonly paddingSamples: number;
  /** Where a chunk that has reached its longest is cut: a pause is worth its length times this for a chunk filled so far (0..1). */
  readonly worthOfFilling: (filled: number) => number;
}

const SECOND = 16_000 / FRAME_SAMPLES;

/** Chosen by `bench/accuracy/chunking.ts` on the shared English sets; docs/decisions/0005 has the table. */
export const DEFAULT_CHUNKING: ChunkingOptions = {
  startThreshold: 0.5,
  endThreshold: 0.35,
  minimumSilenceFrames: 4,
  minimumSpeechFrames: 4,
  sureThreshold: 0.8,
  longestFrames: Math.round(12 * SECOND),
  pauseFrames: SECOND,
  shortestFrames: Math.round(6 * SECOND),
  longPauseFrames: Math.round(2 * SECOND),
  paddingSamples: 4800,
  // Late pauses are worth more: they make fewer, fuller chunks.
  worthOfFilling: (filled) => Math.min(1, filled * 2),
};

/** What chunking must know of an engine. */
export interface ChunkCost {
  /** Longest chunk the engine transcribes well, in seconds, padding included. */
  readonly longestChunkSecond: number;
  /** A chunk costs as much as one of so many seconds, however short it is; undefined where the cost goes with the length. */
  readonly windowSecond?: number | undefined;
}

/** Left free at a window's end: engines that mark times write them worst there. */
const WINDOW_SLACK_SECOND = 1.4;

/**
 * How to cut for an engine. Chunks of an engine with a window are filled to 28 of its 30 s, because the rest of a window costs as much as
 * speech: shorter pauses end them once they are two thirds full, and only long silence ends an emptier one. The first chunk is no
 * shorter than others: its window would be paid whole too, and its language is heard better in more speech (docs/decisions/0016).
 */
export function chunkingFor({ longestChunkSecond, windowSecond }: ChunkCost): ChunkingOptions {
  const padding = (2 * DEFAULT_CHUNKING.paddingSamples) / 16_000;
  const allowed = Math.floor((longestChunkSecond - padding) * SECOND);
  if (windowSecond === undefined) return within(DEFAULT_CHUNKING, allowed);
  const longestFrames = Math.floor((windowSecond - padding - WINDOW_SLACK_SECOND) * SECOND);
  return within(
    {
      ...DEFAULT_CHUNKING,
      longestFrames,
      pauseFrames: Math.round(0.5 * SECOND),
      shortestFrames: Math.round((longestFrames * 2) / 3),
      longPauseFrames: Math.round(5 * SECOND),
      worthOfFilling: (filled) => filled ** 2,
    },
    allowed,
  );
}

function within(options: ChunkingOptions, longestFrames: number): ChunkingOptions {
  if (options.longestFrames <= longestFrames) return options;
  return { ...options, longestFrames, shortestFrames: Math.min(options.shortestFrames, longestFrames >> 1) };
}

/**
 * Frame probabilities to chunks that start and end in pauses. Streaming: feed blocks with `push`, finish with `end`; the chunks
 * do not depend on how the frames were cut into blocks. Keeps the probabilities of the open chunk only.
 */
export class SpeechChunker {
  readonly #options: ChunkingOptions;
  readonly #segmenter: SpeechSegmenter;
  /** Spans of the chunk that is being collected. */
  #spans: SpeechSpan[] = [];
  /** Probabilities from frame `#historyStart` on. */
  #history: number[] = [];
  #historyStart = 0;
  /** End of the last chunk's speech: padding never reaches behind the middle of the pause after it. */
  #previousEnd = 0;

  constructor(options: ChunkingOptions = DEFAULT_CHUNKING) {
    this.#options = options;
    this.#segmenter = new SpeechSegmenter(options);
  }

  /** Takes the next frames; answers the chunks that are complete now. */
  push(probabilities: Iterable<number>): SpeechChunk[] {
    const chunks: SpeechChunk[] = [];
    for (const probability of probabilities) {
      this.#history.push(probability);
      const span = this.#segmenter.push(probability);
      if (span !== undefined) this.#spans.push(span);
      chunks.push(...this.#cut());
    }
    return chunks;
  }

  /** Ends the input at `totalSamples`; answers the chunks that were still open. */
  end(totalSamples: number): SpeechChunk[] {
    const span = this.#segmenter.end();
    if (span !== undefined) this.#spans.push(span);
    const chunks =
      this.#spans.length === 0
        ? []
        : [this.#emit(this.#spans.length, Math.ceil(totalSamples / FRAME_SAMPLES))];
    return chunks.map((chunk) => ({ ...chunk, endSample: Math.min(chunk.endSample, totalSamples) }));
  }

  /** Chunks that the newest frame completes. */
  #cut(): SpeechChunk[] {
    const now = this.#segmenter.frames;
    const open = this.#segmenter.openStart;
    const start = this.#spans[0]?.startFrame ?? open;
    if (start === undefined) {
      this.#forget(now - 1);
      return [];
    }
    if (now - start >= this.#options.longestFrames) return [this.#cutOverlong(now)];
    const last = this.#spans.at(-1);
    if (last === undefined || open !== undefined) return [];
    const silence = now - last.endFrame;
    const length = last.endFrame - start;
    const done =
      silence >= this.#options.longPauseFrames ||
      (silence >= this.#options.pauseFrames && length >= this.#options.shortestFrames);
    return done ? [this.#emit(this.#spans.length, now)] : [];
  }

  /** The chunk has reached its longest: cut at its widest pause, or where speech is weakest when there is none. */
  #cutOverlong(now: number): SpeechChunk {
    const open = this.#segmenter.openStart;
    const spans = open === undefined ? this.#spans : [...this.#spans, { startFrame: open, endFrame: now }];
    const first = spans[0]?.startFrame ?? 0;
    let best = 0;
    let widest = 0;
    for (let index = 1; index < spans.length; index += 1) {
      const pause = (spans[index]?.startFrame ?? 0) - (spans[index - 1]?.endFrame ?? 0);
      const filled = ((spans[index - 1]?.endFrame ?? 0) - first) / this.#options.longestFrames;
      const worth = pause * this.#options.worthOfFilling(filled);
      if (worth > widest) {
        widest = worth;
        best = index;
      }
    }
    if (best > 0) return this.#emit(best, spans[best]?.startFrame ?? now);
    if (open === undefined) return this.#emit(this.#spans.length, now);
    return this.#splitOpenSpeech(open, now);
  }

  /** Speech without a pause: cuts at the weakest frame of the chunk's second half. */
  #splitOpenSpeech(open: number, now: number): SpeechChunk {
    const from = open + Math.floor((now - open) / 2);
    let weakest = now - 1;
    for (let frame = from; frame < now; frame += 1)
      if (this.#probability(frame) < this.#probability(weakest)) weakest = frame;
    const cut = Math.max(weakest, open + 1);
    this.#spans.push({ startFrame: open, endFrame: cut });
    const chunk = this.#emit(this.#spans.length, cut);
    this.#segmenter.restartSpeechAt(cut);
    return chunk;
  }

  /** Makes a chunk of the first `count` spans; `limitFrame` is where the next sound begins or the input ends. */
  #emit(count: number, limitFrame: number): SpeechChunk {
    const spans = this.#spans.splice(0, count);
    const first = spans[0];
    const last = spans.at(-1);
    if (first === undefined || last === undefined) throw new Error('a chunk needs speech');
    const before = halfPause(first.startFrame - this.#previousEnd);
    const after = this.#segmenter.ended
      ? (limitFrame - last.endFrame) * FRAME_SAMPLES
      : halfPause(limitFrame - last.endFrame);
    const startPadding = this.#previousEnd === 0 ? first.startFrame * FRAME_SAMPLES : before;
    const chunk: SpeechChunk = {
      startSample: first.startFrame * FRAME_SAMPLES - Math.min(this.#options.paddingSamples, startPadding),
      endSample: last.endFrame * FRAME_SAMPLES + Math.min(this.#options.paddingSamples, after),
      speech: spans.map((span) => ({
        startSample: span.startFrame * FRAME_SAMPLES,
        endSample: span.endFrame * FRAME_SAMPLES,
      })),
      speechProbability: this.#meanProbability(spans),
    };
    this.#previousEnd = last.endFrame;
    this.#forget(last.endFrame);
    return chunk;
  }

  #meanProbability(spans: readonly SpeechSpan[]): number {
    let sum = 0;
    let frames = 0;
    for (const span of spans)
      for (let frame = span.startFrame; frame < span.endFrame; frame += 1, frames += 1)
        sum += this.#probability(frame);
    return frames === 0 ? 0 : sum / frames;
  }

  #probability(frame: number): number {
    return this.#history[frame - this.#historyStart] ?? 0;
  }

  #forget(beforeFrame: number): void {
    if (beforeFrame <= this.#historyStart) return;
    this.#history.splice(0, beforeFrame - this.#historyStart);
    this.#historyStart = beforeFrame;
  }
}

function halfPause(frames: number): number {
  return Math.max(0, Math.floor((frames * FRAME_SAMPLES) / 2));
}
