import type { PcmFile } from '../audio/audio.ts';
import type { EngineOptions } from '../engines/create-engine.ts';
import type { BiasPhrase, Capabilities, ChunkTiming, Hypothesis, SampleSpan } from '../engines/engine.ts';
import type { VadState } from '../vad/frames.ts';

/**
 * Messages between the server and one inference process, over Node's IPC channel with structured clone. Audio is named by file
 * and sample range, never sent.
 */

/** A stretch of decoded sound; the process reads it from the file. */
export interface PcmRange {
  readonly pcm: PcmFile;
  readonly startSample: number;
  readonly endSample: number;
}

/** Speech probability of each 512-sample frame in the range; a last frame that is short is filled with silence. */
export interface DetectTask extends PcmRange {
  readonly kind: 'detect';
  readonly state: VadState;
}

export interface TranscribeTask extends PcmRange {
  readonly kind: 'transcribe';
  readonly model: string;
  /** Samples of the range that lie before and after its speech. */
  readonly paddingBefore: number;
  readonly paddingAfter: number;
  /** How much of the range the voice detector calls speech, in seconds. */
  readonly speechSecond: number;
  readonly temperature: number;
  /** Where the voice detector hears speech, in samples from the range's start. */
  readonly speech?: readonly SampleSpan[];
  readonly wantsWords?: boolean;
  readonly wantsLogprobs?: boolean;
  /** Names and terms that the text is likely to hold. */
  readonly bias?: readonly BiasPhrase[];
  /** ISO 639-1 code of the spoken language; without one the engine's own choice. */
  readonly language?: string;
  readonly task?: 'transcribe' | 'translate';
  /** The caller's prompt, for engines that continue from text. */
  readonly prompt?: string;
}

export type InferenceTask = DetectTask | TranscribeTask;

export interface DetectResult {
  readonly kind: 'detect';
  readonly probabilities: Float32Array;
  readonly state: VadState;
}

export interface TranscribeResult {
  readonly kind: 'transcribe';
  readonly hypothesis: Hypothesis;
  readonly timing?: ChunkTiming | undefined;
}

export type InferenceResult = DetectResult | TranscribeResult;

/** What the process is told when it starts: which files to load. */
export interface InferenceSetup {
  /** The voice detector; processes without it take no detect tasks. */
  readonly vadPath?: string | undefined;
  /** Where graphs built from the models' weights are kept. */
  readonly cacheDirectory: string;
  readonly models: readonly ModelSetup[];
}

/** A model to load; what stands beside its folder is for the engine. */
export interface ModelSetup
  extends Omit<EngineOptions, 'modelDirectory' | 'cacheDirectory' | 'onBuild' | 'onNotice'> {
  readonly id: string;
  readonly engine: string;
  readonly directory: string;
}

export type ToProcess =
  | { readonly type: 'setup'; readonly setup: InferenceSetup }
  | { readonly type: 'task'; readonly id: number; readonly task: InferenceTask }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'stop' };

export type FromProcess =
  /** Something is being built that is kept for the next start. */
  | { readonly type: 'building'; readonly name: string }
  /** What an operator should know of how a model runs. */
  | { readonly type: 'notice'; readonly model: string; readonly message: string }
  | { readonly type: 'ready'; readonly capabilities: Readonly<Record<string, Capabilities>> }
  /** A model cannot be loaded; the process ends. */
  | { readonly type: 'load-failed'; readonly message: string }
  /**
   * The process is at work and not stuck; sent at most once a second, and in answer to the cancel of task `cancelled`. `lingering`: a
   * cancelled task is still being computed and cannot be stopped; told anew when that changes.
   */
  | { readonly type: 'alive'; readonly lingering?: boolean; readonly cancelled?: number }
  | { readonly type: 'result'; readonly id: number; readonly result: InferenceResult }
  /** The task failed but the process is well. */
  | { readonly type: 'failed'; readonly id: number; readonly message: string };
