import { createRequire } from 'node:module';

/** Which build of whisper.cpp computes: on the processor (on macOS with Metal), or on a card. */
export type WhisperVariant = 'cpu' | 'vulkan' | 'cuda';

/** What a run gives; segment times in milliseconds from the first sample. */
export interface NativeResult {
  readonly result: string;
  /** whisper.cpp's code of the language that was used; empty or absent where the model tells none. */
  readonly language?: string;
  readonly segments: readonly { readonly text: string; readonly t0: number; readonly t1: number }[];
  readonly isAborted: boolean;
}

/**
 * Options of whisper.cpp's `whisper_full` that reach it. `onProgress` and `onNewSegments` are left out on purpose: see
 * docs/decisions/0015.
 */
export interface NativeWhisperOptions {
  readonly maxThreads: number;
  /** Code of the spoken language, or `auto`. */
  readonly language: string;
  readonly translate: boolean;
  readonly temperature: number;
  /** Step to the next temperature when an answer is bad; 0 tries only the first. */
  readonly temperatureInc: number;
  /** Answers drawn at temperatures above 0, of which the most probable is taken. */
  readonly bestOf: number;
  readonly prompt?: string;
  readonly tokenTimestamps?: boolean;
  /** Longest segment in characters; 1 gives each token a segment of its own. */
  readonly maxLen?: number;
}

/** A run on a thread of libuv's pool. `promise` never settles when the run fails, or for Whisper when it is stopped. */
export interface NativeJob<Result = NativeResult> {
  stop(): Promise<void>;
  readonly promise: Promise<Result>;
}

/** A loaded model. Sound is s16le mono at 16 kHz. */
export interface NativeContext<Options> {
  transcribeData(pcm: ArrayBuffer, options: Options): NativeJob;
  release(): Promise<void>;
}

type NativeLog = (level: string, text: string) => void;

interface ContextClass<Options> {
  new (options: { readonly filePath: string; readonly useGpu: boolean }): NativeContext<Options>;
  toggleNativeLog(enable: boolean, callback?: NativeLog): void;
}

/** The parts of the native module that are used. */
export interface WhisperBinding {
  readonly WhisperContext: ContextClass<NativeWhisperOptions>;
  readonly ParakeetContext: ContextClass<{ readonly maxThreads: number }>;
}

/** The native package that holds a build for this platform. */
export function packageOf(variant: WhisperVariant): string {
  return `@fugood/node-whisper-${process.platform}-${process.arch}${variant === 'cpu' ? '' : `-${variant}`}`;
}

/** Loads the native module. Throws an error that names the package to install when it is not there. */
export function loadBinding(variant: WhisperVariant): WhisperBinding {
  const name = packageOf(variant);
  let loaded: Partial<WhisperBinding>;
  try {
    loaded = createRequire(import.meta.url)(name) as Partial<WhisperBinding>;
  } catch (error) {
    throw new Error(cannotLoad(name, error), { cause: error });
  }
  const { WhisperContext, ParakeetContext } = loaded;
  if (typeof WhisperContext !== 'function' || typeof ParakeetContext !== 'function')
    throw new Error(
      `the package ${name} has no WhisperContext and ParakeetContext; install version 1.1: npm install ${name}@1.1`,
    );
  return { WhisperContext, ParakeetContext };
}

function cannotLoad(name: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'MODULE_NOT_FOUND')
    return (
      `whisper.cpp models need the package ${name}, which is not installed: npm install ${name}@1.1; ` +
      'where npm finds no such package there is no build for this platform'
    );
  return `the package ${name} cannot be loaded: ${withoutPaths(message)}`;
}

/** Native messages name files by their full path; clients may read them. */
export function withoutPaths(message: string): string {
  return message.replace(/(^|[\s'"(])(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'"]+)*[\\/]([^\s\\/:'"]+)/g, '$1$2');
}
