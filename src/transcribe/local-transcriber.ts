import { setMaxListeners } from 'node:events';
import { type AudioSource, samplesToSeconds } from '../audio/audio.ts';
import { type DecodedAudio, decodeAudio } from '../audio/decode.ts';
import type { Capabilities } from '../engines/engine.ts';
import {
  AbortedError,
  CannotTranslateError,
  EngineCrashedError,
  StenographerError,
  UnsupportedLanguageError,
} from '../errors.ts';
import type { ModelEntry } from '../models/catalog.ts';
import type { TaskEnd } from '../scheduler/job.ts';
import type { SubmitOptions } from '../scheduler/scheduler.ts';
import { joinSegmentTexts, type Segment } from '../transcript.ts';
import { BoundedQueue } from '../util/bounded-queue.ts';
import type { SpeechChunk } from '../vad/chunking.ts';
import { assembleSegments } from './assemble.ts';
import { findBiasPhrases } from './bias-phrases.ts';
import { accountFor, coverageWarnings, summarizeCoverage } from './coverage.ts';
import { findSpeech, type LocalTranscriberOptions, type PendingChunk, type Work } from './find-speech.ts';
import type { TranscribeOptions, Transcriber, TranscriptEvent } from './transcriber.ts';
import { describeTrouble, warningsFor } from './warnings.ts';

/** A request that kills inference processes with so many of its chunks is given up: each of them costs others a restart. */
const MOST_CRASHED_CHUNKS = 3;

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

function chooseLanguage(model: ModelEntry, language: string | undefined): string {
  if (language === undefined) return model.languages[0] ?? 'en';
  if (!model.languages.includes(language))
    throw new UnsupportedLanguageError(language, model.id, model.languages);
  return language;
}
