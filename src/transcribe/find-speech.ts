import { type PcmFile, SAMPLE_RATE, samplesToSeconds } from '../audio/audio.ts';
import type { DecodedAudio } from '../audio/decode.ts';
import type { Ffmpeg } from '../audio/ffmpeg.ts';
import type { BiasPhrase, Capabilities, Hypothesis } from '../engines/engine.ts';
import type { ModelEntry } from '../models/catalog.ts';
import type { ModelRegistry } from '../models/registry.ts';
import type { TranscribeResult, TranscribeTask } from '../scheduler/inference-protocol.ts';
import type { ModelPools } from '../scheduler/model-pools.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { SubmitOptions } from '../scheduler/scheduler-options.ts';
import type { BoundedQueue } from '../util/bounded-queue.ts';
import type { ScratchSpace } from '../util/scratch-space.ts';
import { chunkingFor, type SpeechChunk, SpeechChunker } from '../vad/chunking.ts';
import { FRAME_SAMPLES, initialVadState } from '../vad/frames.ts';
import type { LanguageGate, TranscribeIn } from './language-gate.ts';
import type { TranscribeOptions } from './transcriber.ts';

export interface LocalTranscriberOptions {
  readonly models: ModelRegistry;
  /** Has the voice detector. */
  readonly scheduler: Scheduler;
  readonly pools: ModelPools;
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
  readonly capabilities: Capabilities;
  /** Where the language is known before the work; in the model's spelling. */
  readonly language: string | undefined;
  /** Where the first chunks tell it. */
  readonly gate: LanguageGate | undefined;
  /** Has the model loaded, if it is not, while other stages are at work. */
  readonly prepareModel: () => void;
  /** Has the model transcribe a chunk. */
  readonly submit: (task: TranscribeTask, options: SubmitOptions) => Promise<TranscribeResult>;
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
  const chunker = new SpeechChunker(chunkingFor(work.capabilities));
  let state = initialVadState();
  let done = 0;
  let submitted = 0;
  /** Asked for when a chunk is handed on, which may be later than when it was found. */
  const nextTurn = ({ startSample }: SpeechChunk): SubmitOptions => {
    submitted += 1;
    return turnAt({ startSample, isFirst: submitted === 1 }, turn, work);
  };
  const submitInTurn = (chunk: SpeechChunk): Promise<void> =>
    submitChunk(chunk, decoded.pcm, chunks, work, () => nextTurn(chunk));
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
      // Not before: what cannot be decoded loads nothing.
      if (samples > 0) work.prepareModel();
      work.request.onDecoded?.(samplesToSeconds(samples));
      const whole = samples - (samples % (DETECT_BLOCK_FRAMES * FRAME_SAMPLES));
      if (whole > done) await detectUpTo(whole);
    }
    await detectUpTo(decoded.samples);
    for (const chunk of chunker.end(decoded.samples)) await submitInTurn(chunk);
    chunks.end();
  } catch (error) {
    chunks.fail(error);
  } finally {
    work.gate?.end();
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
  nextTurn: () => SubmitOptions,
): Promise<void> {
  const task = transcribeTask(chunk, pcm, work);
  const transcribeIn: TranscribeIn = async (language) => {
    const inLanguage = language === undefined ? task : { ...task, language };
    const { hypothesis } = await work.submit(inLanguage, nextTurn());
    return hypothesis;
  };
  const hypothesis =
    work.gate === undefined ? transcribeIn(work.language) : work.gate.submit(task.speechSecond, transcribeIn);
  // The consumer awaits it in its turn; until then a failure must not count as unhandled.
  hypothesis.catch(() => undefined);
  await chunks.push({ chunk, hypothesis });
}

/** All but the language. */
function transcribeTask(chunk: SpeechChunk, pcm: PcmFile, work: Work): TranscribeTask {
  const { request, capabilities, model, bias } = work;
  const speechStart = chunk.speech[0]?.startSample ?? chunk.startSample;
  const speechEnd = chunk.speech.at(-1)?.endSample ?? chunk.endSample;
  const speechSamples = chunk.speech.reduce((sum, span) => sum + span.endSample - span.startSample, 0);
  return {
    kind: 'transcribe',
    model: model.id,
    pcm,
    startSample: chunk.startSample,
    endSample: chunk.endSample,
    paddingBefore: speechStart - chunk.startSample,
    paddingAfter: Math.max(0, chunk.endSample - speechEnd),
    speechSecond: speechSamples / SAMPLE_RATE,
    temperature: request.temperature ?? 0,
    speech: chunk.speech.map((span) => ({
      startSample: span.startSample - chunk.startSample,
      endSample: span.endSample - chunk.startSample,
    })),
    wantsWords: request.words ?? false,
    wantsLogprobs: request.logprobs ?? false,
    bias,
    task: request.task ?? 'transcribe',
    ...(request.prompt !== undefined && capabilities.prompt ? { prompt: request.prompt } : {}),
  };
}
