import { setMaxListeners } from 'node:events';
import { type AudioSource, type PcmFile, SAMPLE_RATE, samplesToSeconds } from '../audio/audio.ts';
import { type DecodedAudio, decodeAudio } from '../audio/decode.ts';
import type { Ffmpeg } from '../audio/ffmpeg.ts';
import type { BiasPhrase, Capabilities, Hypothesis } from '../engines/engine.ts';
import {
  AbortedError,
  CannotTranslateError,
  EngineCrashedError,
  StenographerError,
  UnsupportedLanguageError,
} from '../errors.ts';
import type { ModelEntry, ModelRegistry } from '../models/catalog.ts';
import type { TaskEnd } from '../scheduler/job.ts';
import type { Scheduler, SubmitOptions } from '../scheduler/scheduler.ts';
import { joinSegmentTexts, type Segment } from '../transcript.ts';
import { BoundedQueue } from '../util/bounded-queue.ts';
import type { ScratchSpace } from '../util/scratch-space.ts';
import { DEFAULT_CHUNKING, type SpeechChunk, SpeechChunker } from '../vad/chunking.ts';
import { FRAME_SAMPLES, initialVadState } from '../vad/frames.ts';
import { assembleSegments } from './assemble.ts';
import { findBiasPhrases } from './bias-phrases.ts';
import { accountFor, coverageWarnings, summarizeCoverage } from './coverage.ts';
import type { TranscribeOptions, Transcriber, TranscriptEvent } from './transcriber.ts';

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

/**
 * The first half minute of each recording goes before the rest of longer ones: a short recording is done with it, a long one has
 * its first words early.
 */
const URGENT_SAMPLES = 30 * SAMPLE_RATE;

/** A request that kills inference processes with so many of its chunks is given up: each of them costs others a restart. */
const MOST_CRASHED_CHUNKS = 3;

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
    abilities(name) {
      const { words, logprobs, keywords, translate } = loadedCapabilities(
        options,
        options.models.resolve(name),
      );
      return { words, logprobs, keywords, translate };
    },
    async *transcribe(source, request) {
      const model = options.models.resolve(request.model);
      const capabilities = loadedCapabilities(options, model);
      if (request.task === 'translate' && !capabilities.translate) throw new CannotTranslateError(model.id);
      const language = chooseLanguage(model, request.language);
      const { phrases: bias, warnings: biasWarnings } = findBiasPhrases({
        keywords: capabilities.keywords ? request.keywords : undefined,
        prompt: capabilities.prompt ? request.prompt : undefined,
      });
      const warnings = [...warningsFor(model, capabilities, request), ...biasWarnings];
      requests += 1;
      yield* transcribeSource(source, {
        ...options,
        request,
        model,
        language,
        warnings,
        bias,
        requestId: String(requests),
      });
    },
  };
}

function loadedCapabilities({ scheduler }: LocalTranscriberOptions, { id }: ModelEntry): Capabilities {
  const capabilities = scheduler.capabilities(id);
  if (capabilities !== undefined) return capabilities;
  throw new StenographerError('engine_unavailable', `The model ${id} is still loading. Try again shortly.`, {
    retryAfterSecond: 2,
  });
}

interface Work extends LocalTranscriberOptions {
  readonly request: TranscribeOptions;
  readonly model: ModelEntry;
  readonly language: string;
  readonly warnings: readonly string[];
  readonly bias: readonly BiasPhrase[];
  readonly requestId: string;
}

async function* transcribeSource(source: AudioSource, work: Work): AsyncGenerator<TranscriptEvent> {
  const abort = new AbortController();
  const signal =
    work.request.signal === undefined ? abort.signal : AbortSignal.any([work.request.signal, abort.signal]);
  // Every waiting chunk listens to it.
  setMaxListeners(0, signal);
  const onTaskEnd = (end: TaskEnd): void => reportTask(end, work.request);
  const turn: SubmitOptions = { signal, key: work.request.key ?? '', request: work.requestId, onTaskEnd };
  const startMs = performance.now();
  await using folder = await work.scratch.create();
  await using decoded = await decodeAudio(source, {
    scratchPath: folder.path,
    maximumSeconds: work.maximumSeconds,
    ffmpeg: work.ffmpeg,
    signal,
  });
  const chunks = new BoundedQueue<PendingChunk>(work.lookAhead);
  const producer = findSpeech(decoded, chunks, work, turn);
  const decoding = reportDecoding(decoded, startMs, work.request);
  const segments: Segment[] = [];
  const transcribed: SpeechChunk[] = [];
  const troubles: string[] = [];
  const failed: { readonly chunk: SpeechChunk; readonly error: Error }[] = [];
  try {
    for await (const { chunk, hypothesis } of chunks) {
      const answer = await hypothesis.catch(chunkFailure);
      if (answer instanceof Error) {
        failed.push({ chunk, error: answer });
        if (crashes(failed) >= MOST_CRASHED_CHUNKS) throw answer;
        continue;
      }
      transcribed.push(chunk);
      if (answer.trouble !== undefined) troubles.push(describeTrouble(answer.trouble, chunk));
      for (const segment of assembleSegments(chunk, answer)) {
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
    // A loss beside a success is said in the transcript; nothing but losses is no transcript.
    if (transcribed.length === 0 && failed[0] !== undefined) throw failed[0].error;
    const coverage = summarizeCoverage(
      accountFor(decoded.samples, { transcribed, failed: failed.map(({ chunk }) => chunk) }),
    );
    const cut = 'The file is cut or damaged; only the part that could be decoded was transcribed.';
    const warnings = [
      ...work.warnings,
      ...(decoded.truncated ? [cut] : []),
      ...coverageWarnings(coverage),
      ...troubles,
    ];
    const durationSecond = samplesToSeconds(decoded.samples);
    yield {
      type: 'transcript-final',
      transcript: {
        task: work.request.task ?? 'transcribe',
        model: work.model.id,
        language: work.language,
        durationSecond,
        text: joinSegmentTexts(segments),
        segments,
        warnings,
        coverage,
      },
    };
  } finally {
    abort.abort();
    await Promise.all([producer, decoding]);
  }
}

/** A failure of this chunk alone, to be told in the transcript; what ends the whole request is thrown on. */
function chunkFailure(error: unknown): Error {
  const ofRequest = error instanceof StenographerError && !(error instanceof EngineCrashedError);
  if (ofRequest || !(error instanceof Error)) throw error;
  return error;
}

function crashes(failed: readonly { readonly error: Error }[]): number {
  return failed.filter(({ error }) => error instanceof EngineCrashedError).length;
}

/** Tells the time until the last sample was there; a decoder that fails is reported by whoever needs its sound. */
async function reportDecoding(
  { progress }: DecodedAudio,
  startMs: number,
  { onTiming }: TranscribeOptions,
): Promise<void> {
  try {
    for await (const _ of progress);
    onTiming?.({ stage: 'decode', second: (performance.now() - startMs) / 1000 });
  } catch {}
}

function reportTask(end: TaskEnd, { onTiming }: TranscribeOptions): void {
  onTiming?.({ stage: 'queue', second: end.waitedSecond });
  if (end.kind === 'detect') onTiming?.({ stage: 'detect', second: end.ranSecond });
  else {
    onTiming?.({ stage: 'encode', second: end.encodeSecond ?? 0 });
    onTiming?.({ stage: 'text', second: end.textSecond ?? end.ranSecond });
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

function chooseLanguage(model: ModelEntry, language: string | undefined): string {
  if (language === undefined) return model.languages[0] ?? 'en';
  if (!model.languages.includes(language))
    throw new UnsupportedLanguageError(language, model.id, model.languages);
  return language;
}

function describeTrouble(trouble: NonNullable<Hypothesis['trouble']>, chunk: SpeechChunk): string {
  const [from, to] = [chunk.startSample, chunk.endSample].map((sample) =>
    samplesToSeconds(sample).toFixed(1),
  );
  const place = `Between ${from} and ${to} s`;
  switch (trouble) {
    case 'loop-cut':
      return `${place} the model repeated itself; the repetition was cut out.`;
    case 'dropped':
      return `${place} the model made no sense of what it heard; its words were left out.`;
    case 'unsure':
      return `${place} the words are a guess: the model was unsure of all of them.`;
  }
}

/** What the engine cannot honour is said, never dropped silently. */
function warningsFor(model: ModelEntry, capabilities: Capabilities, request: TranscribeOptions): string[] {
  const warnings: string[] = [];
  if (request.prompt !== undefined && !capabilities.prompt)
    warnings.push(`The model ${model.id} takes no prompt; it was not used.`);
  if ((request.keywords?.length ?? 0) > 0 && !capabilities.keywords)
    warnings.push(`The model ${model.id} takes no keywords; they were not used.`);
  if (request.words === true && !capabilities.words)
    warnings.push(`The model ${model.id} gives no times of words.`);
  if (request.logprobs === true && !capabilities.logprobs)
    warnings.push(`The model ${model.id} gives no log probabilities.`);
  if ((request.temperature ?? 0) > 0 && !capabilities.temperature)
    warnings.push(`The model ${model.id} decodes greedily; temperature was not used.`);
  return warnings;
}
