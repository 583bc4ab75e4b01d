import { deflateSync } from 'node:zlib';
import { samplesToSeconds } from '../audio/audio.ts';
import type { Hypothesis } from '../engines/engine.ts';
import type { Segment } from '../transcript.ts';
import type { SpeechChunk } from '../vad/chunking.ts';
import { splitIntoSegments } from './split-segments.ts';

/** A chunk and what the engine answered for it, to timed segments; none when nothing was said. */
export function assembleSegments(chunk: SpeechChunk, hypothesis: Hypothesis): Segment[] {
  const speech = chunk.speech.map((span) => ({
    startSecond: samplesToSeconds(span.startSample),
    endSecond: samplesToSeconds(span.endSample),
  }));
  const shared = {
    windowStartSecond: samplesToSeconds(chunk.startSample),
    temperature: hypothesis.temperature,
    avgLogprob: hypothesis.avgLogprob,
    compressionRatio: compressionRatio(hypothesis.text),
    noSpeechProbability: 1 - chunk.speechProbability,
  };
  const pieces = splitIntoSegments(hypothesis.text, speech);
  const tokens = shareOut(
    hypothesis.tokens,
    pieces.map((piece) => piece.text.length),
  );
  return pieces.map((piece, index) => ({ ...piece, ...shared, tokens: tokens[index] ?? [] }));
}

/** UTF-8 bytes over their zlib length, as Whisper's `compression_ratio`; 0 for no text. */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length === 0 ? 0 : bytes.length / deflateSync(bytes).length;
}

/** Deals a chunk's tokens to its pieces in proportion to their characters: every token once, in order. */
function shareOut(tokens: readonly number[], lengths: readonly number[]): number[][] {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  let characters = 0;
  let taken = 0;
  return lengths.map((length) => {
    characters += length;
    const upTo = Math.round((tokens.length * characters) / total);
    const share = tokens.slice(taken, upTo);
    taken = upTo;
    return share;
  });
}
