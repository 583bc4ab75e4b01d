import { setMaxListeners } from 'node:events';
import { type AudioSource, samplesToSeconds } from '../audio/audio.ts';
import { type DecodedAudio, decodeAudio } from '../audio/decode.ts';
import { capabilitiesOf } from '../engines/capabilities.ts';
import {
  AbortedError,
  CannotTranslateError,
  EngineCrashedError,
  OutOfMemoryError,
  StenographerError,
} from '../errors.ts';
import { findLanguage } from '../formats/language-names.ts';
import { adviseModels } from '../models/advise.ts';
import type { ModelEntry } from '../models/catalog.ts';
import type { TaskEnd } from '../scheduler/job.ts';
import type { SubmitOptions } from '../scheduler/scheduler-options.ts';
import { joinSegmentTexts, type Segment, UNDETERMINED } from '../transcript.ts';
import { BoundedQueue } from '../util/bounded-queue.ts';
import { createLazily } from '../util/scratch-space.ts';
import type { SpeechChunk } from '../vad/chunking.ts';
import { assembleSegments } from './assemble.ts';
import { findBiasPhrases } from './bias-phrases.ts';
import { chooseLanguage, type LanguageChoice } from './choose-language.ts';
import { accountFor, coverageWarnings, summarizeCoverage } from './coverage.ts';
import { findSpeech, type LocalTranscriberOptions, type PendingChunk, type Work } from './find-speech.ts';
import { LanguageGate } from './language-gate.ts';
import { createModelAccess } from './model-access.ts';
import type { TranscribeOptions, Transcriber, TranscriptEvent } from './transcriber.ts';
import { describeTrouble, languageWarnings, warningsFor } from './warnings.ts';

/** A request that kills inference processes with so many of its chunks is given up: each of them costs others a restart. */
const MOST_CRASHED_CHUNKS = 3;

/** Why what is left is given up; made once, because a reason of its own would cost each request a stack trace. */
const OVER = new Error('the work on the recording is over');

/** Chunks that may wait for one with enough speech to tell the language from. */
const MOST_WAITING_FOR_LANGUAGE = 4;

/** Decode -> voice detector -> chunks -> engine -> segments, all stages of one recording side by side. */
export function createLocalTranscriber(options: LocalTranscriberOptions): Transcriber {
  let requests = 0;
  return {
    abilities(name) {
      const { words, logprobs, keywords, translate, detectsLanguage, prompt, temperature } = capabilitiesOf(
        options.models.resolve(name),
      );
      return { words, logprobs, keywords, translate, detectsLanguage, prompt, temperature };
    },
    async *transcribe(source, request) {
      const model = options.models.resolve(request.model);
      const capabilities = capabilitiesOf(model);
      if (request.task === 'translate' && !capabilities.translate)
        throw new CannotTranslateError(
          model.id,
          adviseModels(({ abilities }) => abilities.translate, options.models),
        );
      const language = chooseLanguage(request, model, capabilities, options.models);
      const { phrases: bias, warnings: biasWarnings } = findBiasPhrases({
        keywords: capabilities.keywords ? request.keywords : undefined,
        prompt: capabilities.prompt && !capabilities.continuesPrompt ? request.prompt : undefined,
        keywordCharacters: capabilities.promptRoom?.keywords,
      });
      const warnings = [...warningsFor(model, capabilities, request), ...biasWarnings];
      requests += 1;
      yield* transcribeSource(source, {
        ...options,
        request,
        model,
        capabilities,
        language: language.kind === 'known' ? language.code : undefined,
        gate: gateFor(language, model, options),
        warnings,
        bias,
        requestId: String(requests),
      });
    },
  };
}

function gateFor(
  choice: LanguageChoice,
  { languages }: ModelEntry,
  { lookAhead }: LocalTranscriberOptions,
): LanguageGate | undefined {
  if (choice.kind !== 'detected') return undefined;
  return new LanguageGate({
    candidates: choice.candidates,
    codeOf: (heard) => findLanguage(languages, heard),
    // Chunks beyond the look-ahead are not cut before those ahead of them are done.
    mostWaiting: Math.min(MOST_WAITING_FOR_LANGUAGE, lookAhead),
  });
}

async function* transcribeSource(
  source: AudioSource,
  asked: Omit<Work, 'prepareModel' | 'submit'>,
): AsyncGenerator<TranscriptEvent> {
  const { model, pools, request, maximumQueueSeconds: startWithinSeconds } = asked;
  const abort = new AbortController();
  const signal =
    request.signal === undefined ? abort.signal : AbortSignal.any([request.signal, abort.signal]);
  // Every waiting chunk listens to it.
  setMaxListeners(0, signal);
  using access = createModelAccess({ pools, model, signal, startWithinSeconds, onTiming: request.onTiming });
  const work: Work = { ...asked, prepareModel: access.prepare, submit: access.submit };
  const onTaskEnd = (end: TaskEnd): void => reportTask(end, work.request);
  const turn: SubmitOptions = { signal, key: work.request.key ?? '', request: work.requestId, onTaskEnd };
  const startMs = performance.now();
  await using folder = createLazily(work.scratch);
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
    const language = work.gate?.language ?? work.language;
    const warnings = [
      ...work.warnings,
      ...languageWarnings(work, segments.length > 0),
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
        language: language ?? UNDETERMINED,
        ...(work.gate === undefined ? {} : { languageDetected: true }),
        durationSecond,
        text: joinSegmentTexts(segments),
        segments,
        warnings,
        coverage,
      },
    };
  } finally {
    abort.abort(OVER);
    await Promise.all([producer, decoding]);
  }
}

/** A failure of this chunk alone, to be told in the transcript; what ends the whole request is thrown on. */
function chunkFailure(error: unknown): Error {
  const ofRequest = error instanceof StenographerError && !isLoss(error);
  if (ofRequest || !(error instanceof Error)) throw error;
  return error;
}

function crashes(failed: readonly { readonly error: Error }[]): number {
  return failed.filter(({ error }) => isLoss(error)).length;
}

/** The chunk cost its process more than it has. */
function isLoss(error: Error): boolean {
  return error instanceof EngineCrashedError || error instanceof OutOfMemoryError;
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
