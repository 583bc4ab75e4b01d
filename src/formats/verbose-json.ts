import type { Coverage, Segment, Transcript } from '../transcript.ts';
import { durationUsage } from './json.ts';
import { generateArray } from './json-array.ts';
import { languageName } from './language-names.ts';
import { roundToMilliseconds } from './timestamp.ts';

export type Granularity = 'segment' | 'word';

export interface VerboseJsonOptions {
  /** Which of `segments` and `words` stand in the answer; the key of the other is absent. Default segments. */
  readonly granularities?: readonly Granularity[] | undefined;
}

/**
 * Keys in the order of the recorded answers; `warnings` and `x_steno` are ours and appear only when there is something to say. Piece by
 * piece: a day of speech takes a second and more, and others have their turn between two pieces.
 */
export function* renderVerboseJson(
  transcript: Transcript,
  { granularities = ['segment'] }: VerboseJsonOptions = {},
): Generator<string> {
  const head = JSON.stringify({
    task: transcript.task,
    // A translation is told by the language it is in.
    language: transcript.task === 'translate' ? 'english' : languageName(transcript.language),
    duration: roundToMilliseconds(transcript.durationSecond),
    text: transcript.text,
  });
  yield head.slice(0, -1);
  if (granularities.includes('segment')) {
    yield ',"segments":';
    yield* generateArray(transcript.segments.map((segment, index) => () => [segmentJson(segment, index)]));
  }
  if (granularities.includes('word')) {
    const wordsOf = wordsInOrder(granularities);
    yield ',"words":';
    yield* generateArray(transcript.segments.map((segment) => () => wordsOf(segment)));
  }
  const tail = JSON.stringify({
    ...(transcript.task === 'transcribe' ? { usage: durationUsage(transcript.durationSecond) } : {}),
    ...(transcript.warnings.length > 0 ? { warnings: transcript.warnings } : {}),
    ...(lostSomething(transcript.coverage)
      ? { x_steno: { coverage: coverageJson(transcript.coverage) } }
      : {}),
  });
  yield tail === '{}' ? '}' : `,${tail.slice(1)}`;
}

function lostSomething(coverage: Coverage | undefined): coverage is Coverage {
  return coverage !== undefined && coverage.failed.length > 0;
}

/** Seconds of the recording by what became of them; together they are its duration. */
function coverageJson(coverage: Coverage) {
  return {
    transcribed: roundToMilliseconds(coverage.transcribedSecond),
    silence: roundToMilliseconds(coverage.silenceSecond),
    failed: roundToMilliseconds(coverage.failedSecond),
    failed_spans: coverage.failed.map(({ startSecond, endSecond }) => ({
      start: roundToMilliseconds(startSecond),
      end: roundToMilliseconds(endSecond),
    })),
  };
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

/**
 * Words of one segment after the other. Without segments beside them they stand bare of punctuation, as OpenAI has it. Rounded times
 * never run backwards.
 */
function wordsInOrder(granularities: readonly Granularity[]) {
  const bare = !granularities.includes('segment');
  let earliest = 0;
  return ({ words = [] }: Segment) =>
    words
      .map(({ text, ...times }) => ({ word: bare ? stripPunctuation(text) : text.trim(), ...times }))
      .filter(({ word }) => word !== '')
      .map(({ word, startSecond, endSecond }) => {
        const start = Math.max(earliest, roundToMilliseconds(startSecond));
        earliest = Math.max(start, roundToMilliseconds(endSecond));
        return { word, start, end: earliest };
      });
}

/** Outer punctuation only: don't, 3.5 and well-known stay, and so do signs that are read aloud. */
function stripPunctuation(word: string): string {
  return word.replace(/^(?:(?![%&#@*])[\p{P}\s])+|(?:(?![%&#@*])[\p{P}\s])+$/gu, '');
}

/** JSON turns NaN and infinities into null. */
function finite(value: number, otherwise: number): number {
  return Number.isFinite(value) ? value : otherwise;
}
