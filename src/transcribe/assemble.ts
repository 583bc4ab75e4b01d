import { samplesToSeconds } from '../audio/audio.ts';
import type { TimedText as HeardText, Hypothesis } from '../engines/engine.ts';
import { compressionRatio } from '../engines/repetition.ts';
import { textWidth } from '../formats/characters.ts';
import type { Segment, TokenLogprob } from '../transcript.ts';
import { splitWords } from '../util/words.ts';
import type { SpeechChunk } from '../vad/chunking.ts';
import { fitWords } from './fit-words.ts';
import { splitIntoSegments, type TimedText, type TimeSpan } from './split-segments.ts';
import { splitTokens } from './split-tokens.ts';

/** An engine's segment wider than this (two subtitles) is no segment to read. */
const WIDEST_SEGMENT = 168;

/** A chunk and what the engine answered for it, to timed segments; none when nothing was said. */
export function assembleSegments(chunk: SpeechChunk, hypothesis: Hypothesis): Segment[] {
  const shared = {
    windowStartSecond: samplesToSeconds(chunk.startSample),
    temperature: hypothesis.temperature,
    avgLogprob: hypothesis.avgLogprob,
    compressionRatio: compressionRatio(hypothesis.text),
    noSpeechProbability: 1 - chunk.speechProbability,
  };
  const pieces = placePieces(chunk, hypothesis);
  const shares =
    hypothesis.tokens.length === 0 ? [] : splitTokens(hypothesis.text, hypothesis.tokenEnds, pieces);
  const logprobs = tokenLogprobs(hypothesis);
  return pieces.map((piece, index) => {
    const { from, to } = shares[index] ?? { from: 0, to: 0 };
    return {
      ...piece,
      ...shared,
      tokens: hypothesis.tokens.slice(from, to),
      ...(logprobs && { logprobs: logprobs.slice(from, to) }),
    };
  });
}

/** The engine's own segments where it has them, otherwise the sentences of its text; in seconds of the recording. */
function placePieces(chunk: SpeechChunk, { text, segments, words }: Hypothesis): TimedText[] {
  const offset = samplesToSeconds(chunk.startSample);
  const speech = chunk.speech.map((span) => ({
    startSecond: samplesToSeconds(span.startSample),
    endSecond: samplesToSeconds(span.endSample),
  }));
  const timed = words && fitWords(splitWords(text), words.map(movedBy(offset)));
  if (segments === undefined || segments.length === 0) return splitIntoSegments(text, speech, timed);
  const whole = { startSecond: offset, endSecond: samplesToSeconds(chunk.endSample) };
  const placed = withWords(clip(segments.map(movedBy(offset)), whole), timed);
  return placed.flatMap((segment) => {
    // A chunk in one segment says nothing of where its sentences are.
    if (placed.length > 1 && textWidth(segment.text) <= WIDEST_SEGMENT) return [segment];
    const sentences = splitIntoSegments(segment.text, within(speech, segment), segment.words);
    return sentences.length > 1 ? sentences : [segment];
  });
}

function movedBy(second: number): (text: HeardText) => HeardText {
  return ({ text, startSecond, endSecond }) => ({
    text,
    startSecond: startSecond + second,
    endSecond: endSecond + second,
  });
}

/** Inside the chunk, in order and apart: engines put ends into the silence that fills their window. */
function clip(segments: readonly HeardText[], whole: TimeSpan): HeardText[] {
  let earliest = whole.startSecond;
  return segments
    .map((segment) => ({ ...segment, text: segment.text.trim() }))
    .filter(({ text }) => text !== '')
    .map(({ text, startSecond, endSecond }) => {
      const start = Math.min(Math.max(startSecond, earliest), whole.endSecond);
      earliest = Math.min(Math.max(endSecond, start), whole.endSecond);
      return { text, startSecond: start, endSecond: earliest };
    });
}

/** Each segment with its own words, where the words spell the same text. */
function withWords(segments: readonly HeardText[], words: readonly HeardText[] | undefined): TimedText[] {
  const owned = segments.map(({ text }) => splitWords(text));
  const fitted = words && fitWords(owned.flat(), words);
  if (fitted === undefined) return [...segments];
  let from = 0;
  return segments.map((segment, index) => {
    const own = fitted.slice(from, from + (owned[index]?.length ?? 0));
    from += own.length;
    return { ...segment, words: own };
  });
}

/** Speech inside a segment's time; all of it when the detector heard none there. */
function within(speech: readonly TimeSpan[], { startSecond, endSecond }: TimeSpan): TimeSpan[] {
  const inside = speech
    .map((span) => ({
      startSecond: Math.max(span.startSecond, startSecond),
      endSecond: Math.min(span.endSecond, endSecond),
    }))
    .filter((span) => span.endSecond > span.startSecond);
  return inside.length > 0 ? inside : [{ startSecond, endSecond }];
}

/** Undefined when the caller did not ask for them. */
function tokenLogprobs({ tokenBytes, logprobs }: Hypothesis): TokenLogprob[] | undefined {
  return tokenBytes?.map((bytes, index) => ({
    token: Buffer.from(bytes).toString('utf8'),
    logprob: logprobs[index] ?? 0,
    bytes,
  }));
}
