import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { AudioSource } from '../../src/audio/audio.ts';
import { AbortedError, InvalidAudioError } from '../../src/errors.ts';
import type {
  ModelAbilities,
  TranscribeOptions,
  Transcriber,
  TranscriptEvent,
} from '../../src/transcribe/transcriber.ts';
import {
  joinSegmentTexts,
  type Segment,
  type TokenLogprob,
  type Transcript,
  type Word,
} from '../../src/transcript.ts';

/** One call of the fake, for tests that look at or steer it. */
export interface FakeCall {
  readonly source: AudioSource;
  readonly options: TranscribeOptions;
  /** Set when the caller's signal was aborted or the iteration was left. */
  stopped: boolean;
}

export interface FakeTranscriber extends Transcriber {
  readonly calls: readonly FakeCall[];
  /** What requests may ask for from now on; at first everything. */
  can: ModelAbilities;
  /** From now on calls wait after their first segment until the returned function is called. */
  hold(): () => void;
  /** Resolves when `count` calls have begun in all. */
  begun(count: number): Promise<void>;
  /** Resolves when `count` calls in all have had their first segment taken. */
  heard(count: number): Promise<void>;
  /** Resolves when `count` calls are over in all, whatever their end. */
  ended(count: number): Promise<void>;
  /** What the next calls answer instead of a text made from the bytes. */
  answer: Partial<Transcript> | undefined;
  /** Thrown by the next calls: before any event, or after the first segment. */
  failure: { readonly error: unknown; readonly when: 'at-once' | 'after-segment' } | undefined;
}

const SECONDS_A_BYTE = 1 / 32_000;

/** A transcriber whose text follows from the bytes alone: the same bytes always give the same answer, others another. */
export function createFakeTranscriber(): FakeTranscriber {
  const calls: FakeCall[] = [];
  const begun = counter();
  const heard = counter();
  const ended = counter();
  let gate = Promise.resolve();

  const fake: FakeTranscriber = {
    calls,
    can: {
      words: true,
      logprobs: true,
      keywords: true,
      translate: true,
      detectsLanguage: true,
      prompt: true,
      temperature: true,
    },
    abilities: () => fake.can,
    answer: undefined,
    failure: undefined,
    begun: begun.reached,
    heard: heard.reached,
    ended: ended.reached,
    hold() {
      let open = () => {};
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return () => open();
    },
    async *transcribe(source, options) {
      const call: FakeCall = { source, options, stopped: false };
      calls.push(call);
      begun.increase();
      let finished = false;
      try {
        yield* events(call, fake, gate, heard.increase);
        finished = true;
      } finally {
        call.stopped = !finished;
        ended.increase();
      }
    },
  };
  return fake;
}

async function* events(
  call: FakeCall,
  fake: FakeTranscriber,
  gate: Promise<void>,
  heard: () => void,
): AsyncGenerator<TranscriptEvent> {
  const { source, options } = call;
  const { failure, answer } = fake;
  if (failure?.when === 'at-once') throw failure.error;
  const { size } = await stat(source.path);
  if (size !== source.sizeBytes) throw new Error(`the file has ${size} bytes, not ${source.sizeBytes}`);
  if (size < 16) throw new InvalidAudioError('it is too small');
  const transcript = withDetails({ ...(await transcribeBytes(source, options.model)), ...answer }, options);
  options.onDecoded?.(transcript.durationSecond);
  for (const stage of ['decode', 'detect', 'queue', 'encode', 'text'] as const)
    options.onTiming?.({ stage, second: 0.001 });
  yield { type: 'transcription-progress', decodedSecond: transcript.durationSecond, finishedSecond: 0 };
  for (const [index, segment] of transcript.segments.entries()) {
    yield { type: 'segment-final', segment };
    if (index > 0) continue;
    heard();
    if (failure?.when === 'after-segment') throw failure.error;
    await Promise.race([gate, aborted(options.signal)]);
  }
  yield { type: 'transcript-final', transcript };
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = () => reject(new AbortedError());
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Two sentences that name the hash of the bytes; the length of the audio follows from their number. */
async function transcribeBytes({ path, sizeBytes }: AudioSource, model: string): Promise<Transcript> {
  const hash = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  const durationSecond = sizeBytes * SECONDS_A_BYTE;
  const segments = [
    fakeSegment(`This is recording ${hash.slice(0, 8)}.`, 0, durationSecond / 2),
    fakeSegment(`It ends with ${hash.slice(8, 16)}.`, durationSecond / 2, durationSecond),
  ];
  return {
    task: 'transcribe',
    model,
    language: 'en',
    durationSecond,
    text: joinSegmentTexts(segments),
    segments,
    warnings: [],
  };
}

/** Words and tokens where they were asked for, and only there. */
function withDetails(transcript: Transcript, options: TranscribeOptions): Transcript {
  const segments = transcript.segments.map(({ words, logprobs, ...segment }) => ({
    ...segment,
    ...(options.words ? { words: words ?? fakeWords(segment) } : {}),
    ...(options.logprobs ? { logprobs: logprobs ?? fakeLogprobs(segment) } : {}),
  }));
  return { ...transcript, task: options.task ?? 'transcribe', segments };
}

/** The pieces between spaces, all of one length. */
function fakeWords({ text, startSecond, endSecond }: Segment): Word[] {
  const texts = text.split(' ');
  const length = (endSecond - startSecond) / texts.length;
  return texts.map((piece, index) => ({
    text: piece,
    startSecond: startSecond + index * length,
    endSecond: startSecond + (index + 1) * length,
  }));
}

function fakeLogprobs({ text }: Segment): TokenLogprob[] {
  return text.split(' ').map((piece) => ({
    token: ` ${piece}`,
    logprob: -0.25,
    bytes: [...Buffer.from(` ${piece}`)],
  }));
}

export function fakeSegment(text: string, startSecond: number, endSecond: number): Segment {
  return {
    startSecond,
    endSecond,
    text,
    windowStartSecond: 0,
    tokens: [1, 2, 3],
    temperature: 0,
    avgLogprob: -0.25,
    compressionRatio: 1.1,
    noSpeechProbability: 0.02,
  };
}

function counter() {
  let count = 0;
  let waiters: { readonly target: number; readonly resolve: () => void }[] = [];
  return {
    increase() {
      count += 1;
      for (const { target, resolve } of waiters) if (count >= target) resolve();
      waiters = waiters.filter(({ target }) => count < target);
    },
    reached: (target: number) =>
      new Promise<void>((resolve) => {
        if (count >= target) resolve();
        else waiters.push({ target, resolve });
      }),
  };
}
