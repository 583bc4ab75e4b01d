import { samplesToSeconds } from '../audio/audio.ts';
import type { Hypothesis } from '../engines/engine.ts';
import { compressionRatio } from '../engines/repetition.ts';
import type { Segment, TokenLogprob, Word } from '../transcript.ts';
import type { SpeechChunk } from '../vad/chunking.ts';
import { splitIntoSegments } from './split-segments.ts';
import { splitTokens } from './split-tokens.ts';

/** A chunk and what the engine answered for it, to timed segments; none when nothing was said. */
export function assembleSegments(chunk: SpeechChunk, hypothesis: Hypothesis): Segment[] {
  const speech = chunk.speech.map((span) => ({
    startSecond: samplesToSeconds(span.startSample),
    endSecond: samplesToSeconds(span.endSample),
  }));
  const windowStartSecond = samplesToSeconds(chunk.startSample);
  const shared = {
    windowStartSecond,
    temperature: hypothesis.temperature,
    avgLogprob: hypothesis.avgLogprob,
    compressionRatio: compressionRatio(hypothesis.text),
    noSpeechProbability: 1 - chunk.speechProbability,
  };
  const words = hypothesis.words?.map(
    (word): Word => ({
      text: word.text,
      startSecond: windowStartSecond + word.startSecond,
      endSecond: windowStartSecond + word.endSecond,
    }),
  );
  const pieces = splitIntoSegments(hypothesis.text, speech, words);
  const shares = splitTokens(hypothesis.text, hypothesis.tokenEnds, pieces);
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

/** Undefined when the caller did not ask for them. */
function tokenLogprobs({ tokenBytes, logprobs }: Hypothesis): TokenLogprob[] | undefined {
  return tokenBytes?.map((bytes, index) => ({
    token: Buffer.from(bytes).toString('utf8'),
    logprob: logprobs[index] ?? 0,
    bytes,
  }));
}
