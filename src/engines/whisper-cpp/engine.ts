import { readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { capabilitiesOf, type ModelTraits } from '../capabilities.ts';
import type { Capabilities, Chunk, Engine, FinishedChunk, Hypothesis } from '../engine.ts';
import { loadBinding, type NativeResult, type WhisperVariant } from './binding.ts';
import { inspectGgml } from './ggml-file.ts';
import { NativeLog } from './native-log.ts';
import type { NativeRun } from './native-model.ts';
import { openParakeet } from './parakeet.ts';
import { Pulse } from './pulse.ts';
import { openWhisper } from './whisper.ts';

export interface WhisperCppOptions extends Partial<Omit<ModelTraits, 'engine'>> {
  /** The folder that holds the model's one file. */
  readonly modelDirectory: string;
  /** Threads of one computation; 0 or none: one a core, 8 at most. */
  readonly threads?: number | undefined;
  /** Default `cpu`. */
  readonly variant?: WhisperVariant | undefined;
}

/** A network of whisper.cpp: chunks go in, one at a time. */
export interface Network {
  /** What a chunk says; `track` is told of each native run before it is awaited. Undefined when a run was stopped. */
  transcribe(
    chunk: Chunk,
    track: (run: NativeRun) => Promise<NativeResult | undefined>,
  ): Promise<Hypothesis | undefined>;
  close(): Promise<void>;
}

/** Opens a Whisper or Parakeet model. Throws an error without paths: no package, no file, a file of another kind or a damaged one. */
export async function openWhisperCppEngine(options: WhisperCppOptions): Promise<Engine> {
  const { modelDirectory, architecture = 'whisper', languages = ['en'], variant = 'cpu' } = options;
  const { abilities = { translate: false, words: true, prompt: true } } = options;
  const threads = options.threads || Math.min(availableParallelism(), MOST_THREADS);
  const binding = loadBinding(variant);
  const path = join(modelDirectory, await findFile(modelDirectory));
  const file = await inspectGgml(path);
  if (file.architecture !== architecture)
    throw new Error(`expected a ${NAMES[architecture]} model, got a ${NAMES[file.architecture]} model`);
  if (architecture === 'whisper' && !file.multilingual && languages.some((code) => code !== 'en'))
    throw new Error(`the model file knows English only, and is said to know ${languages.join(', ')}`);
  const capabilities = capabilitiesOf({ engine: 'whisper-cpp', architecture, languages, abilities });
  const log = NativeLog.open(binding);
  try {
    const open = architecture === 'whisper' ? openWhisper : openParakeet;
    const useGpu = variant !== 'cpu' || process.platform === 'darwin';
    const network = await open({ binding, path, log, threads, useGpu, capabilities });
    if (variant !== 'cpu' && (await log.foundNoCard())) {
      await network.close();
      throw new Error(
        `the ${variant} build of whisper.cpp finds no card to compute on; the variant cpu needs none`,
      );
    }
    return new WhisperCppEngine(network, capabilities, { afterClose: () => log.close() });
  } catch (error) {
    log.close();
    throw error;
  }
}

/** The binding's own limit: decoding is bound by memory and gains nothing from more. */
const MOST_THREADS = 8;

const NAMES = { whisper: 'Whisper', parakeet: 'Parakeet' } as const;

async function findFile(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => /\.(bin|ggml|gguf)$/.test(name));
  const [name, ...others] = names.sort();
  if (name === undefined) throw new Error('the folder of the model holds no file that ends in .bin');
  if (others.length > 0)
    throw new Error(`the folder of the model holds several model files, expected one: ${names.join(', ')}`);
  return name;
}

/** How often `step` answers while a chunk is being computed, so that the caller turns to other things. */
const TURN_MS = 250;
/** No processor takes longer for a chunk; a computation that does is stuck. */
const LONGEST_CHUNK_MS = 30 * 60 * 1000;

interface WhisperCppEngineOptions {
  readonly afterClose?: () => void;
  /** Called at the start of each chunk; by default this process's own processor time tells. */
  readonly startPulse?: () => Pulse;
}

interface RunningChunk {
  readonly id: number;
  readonly pulse: Pulse;
  readonly done: Promise<void>;
  run?: NativeRun;
  isCancelled: boolean;
}

/**
 * A chunk is waiting -> running (on threads of whisper.cpp's own) -> finished, and leaves through `step`. A running one that is
 * cancelled is forgotten at once but computed to its end when it cannot be stopped (`lingering`); the next one waits for that.
 *
 * `step` answers every quarter of a second while the computation uses processor time. When it uses none, `step` stays silent until
 * it does: whoever watches the process may take it for stuck.
 */
export class WhisperCppEngine implements Engine {
  readonly capabilities: Capabilities;
  readonly #network: Network;
  readonly #afterClose: () => void;
  readonly #startPulse: () => Pulse;
  readonly #waiting: Chunk[] = [];
  readonly #finished: FinishedChunk[] = [];
  #running: RunningChunk | undefined;

  constructor(network: Network, capabilities: Capabilities, options: WhisperCppEngineOptions = {}) {
    this.#network = network;
    this.capabilities = capabilities;
    this.#afterClose = options.afterClose ?? (() => undefined);
    this.#startPulse = options.startPulse ?? (() => new Pulse(LONGEST_CHUNK_MS));
  }

  get size(): number {
    const running = this.#running === undefined || this.#running.isCancelled ? 0 : 1;
    return this.#waiting.length + running + this.#finished.length;
  }

  get lingering(): boolean {
    return this.#running?.isCancelled === true;
  }

  admit(chunk: Chunk): void {
    this.#waiting.push(chunk);
  }

  cancel(id: number): void {
    for (const list of [this.#waiting, this.#finished]) {
      const place = list.findIndex((entry) => entry.id === id);
      if (place >= 0) list.splice(place, 1);
    }
    const running = this.#running;
    if (running?.id !== id || running.isCancelled) return;
    running.isCancelled = true;
    running.run?.stop();
  }

  async step(): Promise<readonly FinishedChunk[]> {
    this.#startNext();
    while (this.#finished.length === 0 && this.#running !== undefined) {
      const { done, pulse } = this.#running;
      const isDone = await Promise.race([done.then(() => true), turn().then(() => false)]);
      if (isDone || pulse.beats()) break;
    }
    return this.#finished.splice(0);
  }

  async close(): Promise<void> {
    this.#waiting.length = 0;
    const running = this.#running;
    if (running !== undefined) {
      this.cancel(running.id);
      await running.done;
    }
    this.#finished.length = 0;
    await this.#network.close();
    this.#afterClose();
  }

  #startNext(): void {
    if (this.#running !== undefined) return;
    const chunk = this.#waiting.shift();
    if (chunk === undefined) return;
    const running: RunningChunk = {
      id: chunk.id,
      pulse: this.#startPulse(),
      isCancelled: false,
      done: Promise.resolve()
        .then(() => this.#transcribe(chunk))
        .finally(() => {
          this.#running = undefined;
        }),
    };
    this.#running = running;
  }

  async #transcribe(chunk: Chunk): Promise<void> {
    const startMs = performance.now();
    const answer = async (): Promise<FinishedChunk | undefined> => {
      const hypothesis = await this.#network.transcribe(chunk, (run) => this.#track(run));
      if (hypothesis === undefined) return undefined;
      // Encoder and decoder are one native call.
      const timing = { encodeSecond: 0, textSecond: (performance.now() - startMs) / 1000 };
      return { id: chunk.id, hypothesis, timing };
    };
    const finished = await answer().catch((error: unknown) => ({
      id: chunk.id,
      error: error instanceof Error ? error : new Error(String(error)),
    }));
    if (finished !== undefined && this.#running?.isCancelled !== true) this.#finished.push(finished);
  }

  #track(run: NativeRun): Promise<NativeResult | undefined> {
    const running = this.#running;
    if (running !== undefined) {
      running.run = run;
      if (running.isCancelled) run.stop();
    }
    return run.ended;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, TURN_MS);
  });
}
