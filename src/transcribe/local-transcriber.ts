import { setMaxListeners } from 'node:events';
import { type AudioSource, type PcmFile, SAMPLE_RATE, samplesToSeconds } from '../audio/audio.ts';
import { type DecodedAudio, decodeAudio } from '../audio/decode.ts';
import type { Ffmpeg } from '../audio/ffmpeg.ts';
import type { Capabilities, Hypothesis } from '../engines/engine.ts';
import { AbortedError, StenographerError, UnsupportedLanguageError } from '../errors.ts';
import type { ModelEntry, ModelRegistry } from '../models/catalog.ts';
import type { Scheduler, SubmitOptions } from '../scheduler/scheduler.ts';
import { joinSegmentTexts, type Segment } from '../transcript.ts';
import { BoundedQueue } from '../util/bounded-queue.ts';
import type { ScratchSpace } from '../util/scratch-space.ts';
import { DEFAULT_CHUNKING, type SpeechChunk, SpeechChunker } from '../vad/chunking.ts';
import { FRAME_SAMPLES, initialVadState } from '../vad/frames.ts';
import { assembleSegments } from './assemble.ts';
import type { TranscribeOptions, Transcriber, TranscriptEvent } from './transcriber.ts';

export interface LocalTranscriberOptions {
  readonly models: ModelRegistry;
  readonly scheduler: Scheduler;
  readonly scratch: ScratchSpace;
  readonly ffmpeg: Ffmpeg;
  readonly maximumSeconds: number;
  /** Chunks of one request that may wait or run at once; the rest of the recording is not looked at before. */
  readonly lookAhead: number;
}

/** Frames the voice detector gets in one task, at most: about 16 s. */
const DETECT_BLOCK_FRAMES = 512;

interface PendingChunk {
  readonly chunk: SpeechChunk;
  readonly hypothesis: Promise<Hypothesis>;
}

/** Decode -> voice detector -> chunks -> engine -> segments, all stages of one recording side by side. */
export function createLocalTranscriber(options: LocalTranscriberOptions): Transcriber {
  let requests = 0;
  return {
    async *transcribe(source, request) {
      const model = options.models.resolve(request.model);
      const capabilities = options.scheduler.capabilities(model.id);
      if (capabilities === undefined)
        throw new StenographerError(
          'engine_unavailable',
          `The model ${model.id} is still loading. Try again shortly.`,
          {
            retryAfterSecond: 2,
          },
        );
      const language = chooseLanguage(model, request.language);
      const warnings = warningsFor(model, capabilities, request);
      requests += 1;
      yield* transcribeSource(source, {
        ...options,
        request,
        model,
        language,
        warnings,
        requestId: String(requests),
      });
    },
  };
}

interface Work extends LocalTranscriberOptions {
  readonly request: TranscribeOptions;
  readonly model: ModelEntry;
  readonly language: string;
  readonly warnings: readonly string[];
  readonly requestId: string;
}

async function* transcribeSource(source: AudioSource, work: Work): AsyncGenerator<TranscriptEvent> {
  const abort = new AbortController();
  const signal =
    work.request.signal === undefined ? abort.signal : AbortSignal.any([work.request.signal, abort.signal]);
  // Every waiting chunk listens to it.
  setMaxListeners(0, signal);
  const turn: SubmitOptions = { signal, key: work.request.key ?? '', request: work.requestId };
  await using folder = await work.scratch.create();
  await using decoded = await decodeAudio(source, {
    scratchPath: folder.path,
    maximumSeconds: work.maximumSeconds,
    ffmpeg: work.ffmpeg,
    signal,
  });
  const chunks = new BoundedQueue<PendingChunk>(work.lookAhead);
  const producer = findSpeech(decoded, chunks, work, turn);
  const segments: Segment[] = [];
  try {
    for await (const { chunk, hypothesis } of chunks) {
      for (const segment of assembleSegments(chunk, await hypothesis)) {
        segments.push(segment);
        yield { type: 'segment-final', segment };
      }
      yield {
        type: 'transcription-progress',
        decodedSecond: samplesToSeconds(decoded.samples),
        finishedSecond: samplesToSeconds(chunk.endSample),
      };
    }
    if (signal.aborted) throw new AbortedError(signal.reason);
    const warnings = decoded.truncated
      ? [...work.warnings, 'The file is cut or damaged; only the part that could be decoded was transcribed.']
      : work.warnings;
    const durationSecond = samplesToSeconds(decoded.samples);
    yield {
      type: 'transcript-final',
      transcript: {
        task: 'transcribe',
        model: work.model.id,
        language: work.language,
        durationSecond,
        text: joinSegmentTexts(segments),
        segments,
        warnings,
      },
    };
  } finally {
    abort.abort();
    await producer;
  }
}

/** Looks for speech in what is decoded so far and hands each chunk to the scheduler; ends or fails the queue, never throws. */
async function findSpeech(
  decoded: DecodedAudio,
  chunks: BoundedQueue<PendingChunk>,
  work: Work,
  turn: SubmitOptions,
): Promise<void> {
  const chunker = new SpeechChunker(DEFAULT_CHUNKING);
  let state = initialVadState();
  let done = 0;
  const detectUpTo = async (endSample: number): Promise<void> => {
    while (done < endSample) {
      const end = Math.min(endSample, done + DETECT_BLOCK_FRAMES * FRAME_SAMPLES);
      const result = await work.scheduler.submit(
        { kind: 'detect', pcm: decoded.pcm, startSample: done, endSample: end, state },
        turn,
      );
      state = result.state;
      done = end;
      for (const chunk of chunker.push(result.probabilities))
        await submitChunk(chunk, decoded.pcm, chunks, work, turn);
    }
  };
  try {
    for await (const samples of decoded.progress) {
      const whole = samples - (samples % (DETECT_BLOCK_FRAMES * FRAME_SAMPLES));
      if (whole > done) await detectUpTo(whole);
    }
    await detectUpTo(decoded.samples);
    for (const chunk of chunker.end(decoded.samples))
      await submitChunk(chunk, decoded.pcm, chunks, work, turn);
    chunks.end();
  } catch (error) {
    chunks.fail(error);
  }
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
      },
      turn,
    )
    .then((result) => result.hypothesis);
  // The consumer awaits it in its turn; until then a failure must not count as unhandled.
  hypothesis.catch(() => undefined);
  await chunks.push({ chunk, hypothesis });
}

function chooseLanguage(model: ModelEntry, language: string | undefined): string {
  if (language === undefined) return model.languages[0] ?? 'en';
  if (!model.languages.includes(language))
    throw new UnsupportedLanguageError(language, model.id, model.languages);
  return language;
}

/** What the engine cannot honour is said, never dropped silently. */
function warningsFor(model: ModelEntry, capabilities: Capabilities, request: TranscribeOptions): string[] {
  const warnings: string[] = [];
  if (request.prompt !== undefined && !capabilities.prompt)
    warnings.push(`The model ${model.id} takes no prompt; it was not used.`);
  if ((request.temperature ?? 0) > 0 && !capabilities.temperature)
    warnings.push(`The model ${model.id} decodes greedily; temperature was not used.`);
  return warnings;
}
