import type { Segment, Transcript, Word } from '../transcript.ts';
import { durationUsage } from './json.ts';
import { languageName } from './language-names.ts';
import { roundToMilliseconds } from './timestamp.ts';

export type Granularity = 'segment' | 'word';

export interface VerboseJsonOptions {
  /** Which of `segments` and `words` stand in the answer; the key of the other is absent. */
  readonly granularities: readonly Granularity[];
}

/** Keys in the order of the recorded answers; `warnings` is ours and appears only when there are any. */
export function renderVerboseJson(transcript: Transcript, { granularities }: VerboseJsonOptions): string {
  return JSON.stringify({
    task: transcript.task,
    language: languageName(transcript.language),
    duration: roundToMilliseconds(transcript.durationSecond),
    text: transcript.text,
    ...(granularities.includes('segment') ? { segments: transcript.segments.map(segmentJson) } : {}),
    ...(granularities.includes('word') ? { words: transcript.segments.flatMap(wordsJson) } : {}),
    ...(transcript.task === 'transcribe' ? { usage: durationUsage(transcript.durationSecond) } : {}),
    ...(transcript.warnings.length > 0 ? { warnings: transcript.warnings } : {}),
  });
}

/** All ten keys are numbers, a string or an array, never null: strict clients check each one. */
function segmentJson(segment: Segment, index: number) {
  return {
    id: index,
    /** Start of the decoding window in units of 10 ms. */
    seek: Math.round(segment.windowStartSecond * 100),
    start: roundToMilliseconds(segment.startSecond),
    end: roundToMilliseconds(segment.endSecond),
    text: ` ${segment.text}`,
    tokens: segment.tokens,
    temperature: finite(segment.temperature, 0),
    avg_logprob: finite(segment.avgLogprob, -10),
    compression_ratio: finite(segment.compressionRatio, 1),
    no_speech_prob: finite(segment.noSpeechProbability, 0),
  };
}

function wordsJson(segment: Segment) {
  return (segment.words ?? []).map((word: Word) => ({
    word: word.text,
    start: roundToMilliseconds(word.startSecond),
    end: roundToMilliseconds(word.endSecond),
  }));
}

/** JSON turns NaN and infinities into null. */
function finite(value: number, otherwise: number): number {
  return Number.isFinite(value) ? value : otherwise;
}
