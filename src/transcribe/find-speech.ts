import { type PcmFile, SAMPLE_RATE, samplesToSeconds } from '../audio/audio.ts';
import type { DecodedAudio } from '../audio/decode.ts';
import type { Ffmpeg } from '../audio/ffmpeg.ts';
import type { BiasPhrase, Hypothesis } from '../engines/engine.ts';
import type { ModelEntry, ModelRegistry } from '../models/catalog.ts';
import type { Scheduler, SubmitOptions } from '../scheduler/scheduler.ts';
import type { BoundedQueue } from '../util/bounded-queue.ts';
import type { ScratchSpace } from '../util/scratch-space.ts';
import { DEFAULT_CHUNKING, type SpeechChunk, SpeechChunker } from '../vad/chunking.ts';
import { FRAME_SAMPLES, initialVadState } from '../vad/frames.ts';
import type { TranscribeOptions } from './transcriber.ts';

export interface LocalTranscriberOptions {
  readonly models: ModelRegistry;
  readonly scheduler: Scheduler;
  readonly scratch: ScratchSpace;
  readonly ffmpeg: Ffmpeg;
  readonly maximumSeconds: number;
  /** Chunks of one request that may wait or run at once; the rest of the recording is not looked at before. */
  readonly lookAhead: number;
  /** A request whose first task has not been started after so long is refused. */
  readonly maximumQueueSeconds: number;
}

/** One recording on its way through the stages. */
export interface Work extends LocalTranscriberOptions {
  readonly request: TranscribeOptions;
  readonly model: ModelEntry;
  readonly language: string;
  readonly warnings: readonly string[];
  readonly bias: readonly BiasPhrase[];
  readonly requestId: string;
}

/**
 * The first half minute of each recording goes before the rest of longer ones: a short recording is done with it, a long one has
 * its first words early.
 */
const URGENT_SAMPLES = 30 * SAMPLE_RATE;

/** Frames the voice detector gets in one task, at most: about 16 s. */
const DETECT_BLOCK_FRAMES = 512;

/** A chunk whose text is on its way. */
export interface PendingChunk {
  readonly chunk: SpeechChunk;
  readonly hypothesis: Promise<Hypothesis>;
}

/** Looks for speech in what is decoded so far and hands each chunk to the scheduler; ends or fails the queue, never throws. */
export async function findSpeech(
  decoded: DecodedAudio,
  chunks: BoundedQueue<PendingChunk>,
  work: Work,
  turn: SubmitOptions,
): Promise<void> {
  const chunker = new SpeechChunker(DEFAULT_CHUNKING);
  let state = initialVadState();
  let done = 0;
  let submitted = 0;
  const submitInTurn = (chunk: SpeechChunk): Promise<void> => {
    const { startSample } = chunk;
    submitted += 1;
    const place = turnAt({ startSample, isFirst: submitted === 1 }, turn, work);
    return submitChunk(chunk, decoded.pcm, chunks, work, place);
  };
  const detectUpTo = async (endSample: number): Promise<void> => {
    while (done < endSample) {
      const end = Math.min(endSample, done + DETECT_BLOCK_FRAMES * FRAME_SAMPLES);
      const result = await work.scheduler.submit(
        { kind: 'detect', pcm: decoded.pcm, startSample: done, endSample: end, state },
        turnAt({ startSample: done, isFirst: done === 0 }, turn, work),
      );
      state = result.state;
      done = end;
      for (const chunk of chunker.push(result.probabilities)) await submitInTurn(chunk);
    }
  };
  try {
    for await (const samples of decoded.progress) {
      work.request.onDecoded?.(samplesToSeconds(samples));
      const whole = samples - (samples % (DETECT_BLOCK_FRAMES * FRAME_SAMPLES));
      if (whole > done) await detectUpTo(whole);
    }
    await detectUpTo(decoded.samples);
    for (const chunk of chunker.end(decoded.samples)) await submitInTurn(chunk);
    chunks.end();
  } catch (error) {
    chunks.fail(error);
  }
}

/** The start of the recording is urgent. Its first tasks of each kind tell whether the request's turn has come. */
function turnAt(
  { startSample, isFirst }: { readonly startSample: number; readonly isFirst: boolean },
  turn: SubmitOptions,
  work: Work,
): SubmitOptions {
  return {
    ...turn,
    urgent: startSample < URGENT_SAMPLES,
    startWithinSeconds: isFirst ? work.maximumQueueSeconds : undefined,
  };
}

async function submitChunk(
  chunk: SpeechChunk,
  pcm: PcmFile,
  chunks: BoundedQueue<PendingChunk>,
  work: Work,
  turn: SubmitOptions,
): Promise<void> {
  const speechStart = chunk.speech[0]?.startSample ?? chunk.startSample;
  const speechEnd = chunk.speech.at(-1)?.endSample ?? chunk.endSample;
  const speechSamples = chunk.speech.reduce((sum, span) => sum + span.endSample - span.startSample, 0);
  const hypothesis = work.scheduler
    .submit(
      {
        kind: 'transcribe',
        model: work.model.id,
        pcm,
        startSample: chunk.startSample,
        endSample: chunk.endSample,
        paddingBefore: speechStart - chunk.startSample,
        paddingAfter: Math.max(0, chunk.endSample - speechEnd),
        speechSecond: speechSamples / SAMPLE_RATE,
        temperature: work.request.temperature ?? 0,
        speech: chunk.speech.map((span) => ({
          startSample: span.startSample - chunk.startSample,
          endSample: span.endSample - chunk.startSample,
        })),
        wantsWords: work.request.words ?? false,
        wantsLogprobs: work.request.logprobs ?? false,
        bias: work.bias,
      },
      turn,
    )
    .then((result) => result.hypothesis);
  // The consumer awaits it in its turn; until then a failure must not count as unhandled.
  hypothesis.catch(() => undefined);
  await chunks.push({ chunk, hypothesis });
}
