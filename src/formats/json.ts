import { type Segment, type TokenLogprob, type Transcript, UNDETERMINED } from '../transcript.ts';
import { generateArray } from './json-array.ts';
import { isoCode } from './language-names.ts';
import { roundToMilliseconds } from './timestamp.ts';

/** What the request is counted as: seconds of audio, rounded up. */
export interface DurationUsage {
  readonly type: 'duration';
  readonly seconds: number;
}

export interface JsonOptions {
  /** Whether the tokens with their log probabilities stand in the answer. */
  readonly logprobs?: boolean | undefined;
}

/** `{text, logprobs, usage, languages}`, compact. Translations have the text alone. Piece by piece, for hours of log probabilities. */
export function* renderJson(
  transcript: Transcript,
  { logprobs = false }: JsonOptions = {},
): Generator<string> {
  yield JSON.stringify({ text: transcript.text }).slice(0, -1);
  if (logprobs) {
    yield ',"logprobs":';
    let continues = false;
    yield* generateArray(
      transcript.segments.map((segment) => () => {
        const tokens = logprobsJson([segment], continues);
        continues ||= tokens.length > 0;
        return tokens;
      }),
    );
  }
  const tail = JSON.stringify({
    ...(transcript.task === 'transcribe' ? { usage: durationUsage(transcript.durationSecond) } : {}),
    ...detectedLanguages(transcript),
  });
  yield tail === '{}' ? '}' : `,${tail.slice(1)}`;
}

/** What was heard, as OpenAI's gpt-transcribe answers it: empty where nobody could tell. Nothing where nothing had to be detected. */
export function detectedLanguages(transcript: Transcript): {
  readonly languages?: readonly { readonly code: string }[];
} {
  const { task, language, languageDetected = false } = transcript;
  if (!languageDetected || task === 'translate') return {};
  return { languages: language === UNDETERMINED ? [] : [{ code: isoCode(language) }] };
}

/** 1.7 s count as 2, 8.47 s as 9. Noise below a millisecond does not start a new second. */
export function durationUsage(durationSecond: number): DurationUsage {
  return { type: 'duration', seconds: Math.ceil(roundToMilliseconds(durationSecond)) };
}

/**
 * Tokens in order. Joined they are the text: the space before the very first one is taken away, unless these segments go on after
 * others (`continues`).
 */
export function logprobsJson(segments: readonly Segment[], continues = false): TokenLogprob[] {
  const tokens = segments.flatMap((segment) => segment.logprobs ?? []);
  return tokens.map(({ token, logprob, bytes }, index) => {
    const strip = index === 0 && !continues && bytes[0] === 0x20;
    return {
      token: strip ? token.slice(1) : token,
      logprob: Number.isFinite(logprob) ? Math.min(0, logprob) : -100,
      bytes: strip ? bytes.slice(1) : bytes,
    };
  });
}
