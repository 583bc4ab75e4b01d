import { checkChunk } from '../capabilities.ts';
import type { Capabilities, Chunk, Hypothesis } from '../engine.ts';
import type { NativeWhisperOptions, WhisperBinding } from './binding.ts';
import type { Network } from './engine.ts';
import { silence, toHypothesis } from './hypothesis.ts';
import type { NativeLog } from './native-log.ts';
import { NativeModel } from './native-model.ts';
import { isDigitalSilence, toPcm } from './pcm.ts';
import { promptOf } from './prompt.ts';

export interface NetworkOptions {
  readonly binding: WhisperBinding;
  readonly path: string;
  readonly log: NativeLog;
  readonly threads: number;
  readonly useGpu: boolean;
  readonly capabilities: Capabilities;
}

/** Where Whisper's own fallback goes from 0 (whisper/transcribe.py, `temperature`). */
const TEMPERATURE_STEP = 0.2;
/** Answers drawn at once at temperatures above 0. More take memory: docs/decisions/0015. */
const BEST_OF = 2;

/** Whisper in any size. */
export async function openWhisper(options: NetworkOptions): Promise<Network> {
  const { binding, path, log, useGpu } = options;
  const model = await NativeModel.open<NativeWhisperOptions>({
    open: () => new binding.WhisperContext({ filePath: path, useGpu }),
    log,
  });
  return new Whisper(model, options);
}

class Whisper implements Network {
  readonly #model: NativeModel<NativeWhisperOptions>;
  readonly #options: NetworkOptions;
  /** Whether sampling has moved the model's random numbers on since it was loaded. */
  #hasDrawn = false;

  constructor(model: NativeModel<NativeWhisperOptions>, options: NetworkOptions) {
    this.#model = model;
    this.#options = options;
  }

  async transcribe(
    chunk: Chunk,
    track: Parameters<Network['transcribe']>[1],
  ): Promise<Hypothesis | undefined> {
    const { temperature, samples, wantsWords = false } = chunk;
    const asked = optionsFor(chunk, this.#options);
    if (isDigitalSilence(samples)) return silence({ temperature, wantsWords });
    const pcm = toPcm(samples);
    const run = async (
      more: Partial<NativeWhisperOptions>,
      shown: number,
    ): Promise<Hypothesis | undefined> => {
      const result = await track(this.#model.run(pcm, { ...asked, ...more }));
      if (result === undefined) return undefined;
      const language = asked.language === 'auto' ? result.language : undefined;
      const lengthSamples = samples.length;
      return toHypothesis(result, {
        lengthSamples,
        speech: chunk.speech,
        wantsWords,
        temperature: shown,
        language,
      });
    };
    if (temperature > 0) {
      this.#hasDrawn = true;
      return run({ temperature }, temperature);
    }
    const greedy = await run({}, 0);
    if (greedy?.trouble === undefined) return greedy;
    await this.#forgetDraws();
    const drawn = await run(
      { temperature: TEMPERATURE_STEP, temperatureInc: TEMPERATURE_STEP },
      TEMPERATURE_STEP,
    );
    if (drawn === undefined) return undefined;
    return drawn.trouble === undefined && drawn.text !== '' ? drawn : greedy;
  }

  close(): Promise<void> {
    return this.#model.close();
  }

  /**
   * A fallback is part of the greedy answer and must not depend on what was computed before: whisper.cpp seeds one of its random
   * number generators when the model is loaded, and never again.
   */
  async #forgetDraws(): Promise<void> {
    if (this.#hasDrawn) await this.#model.reopen();
    this.#hasDrawn = true;
  }
}

function baseOptions({ threads }: Pick<NetworkOptions, 'threads'>): NativeWhisperOptions {
  return {
    maxThreads: threads,
    language: 'auto',
    translate: false,
    temperature: 0,
    // whisper.cpp's own fallback would draw before we know that it has to.
    temperatureInc: 0,
    bestOf: BEST_OF,
  };
}

function optionsFor(chunk: Chunk, options: NetworkOptions): NativeWhisperOptions {
  checkChunk(chunk, options.capabilities);
  const { languages, detectsLanguage } = options.capabilities;
  const { language = detectsLanguage ? undefined : languages[0] } = chunk;
  const prompt = options.capabilities.prompt ? promptOf(chunk) : undefined;
  return {
    ...baseOptions(options),
    language: language ?? 'auto',
    translate: chunk.task === 'translate',
    ...(prompt !== undefined && { prompt }),
    ...(chunk.wantsWords === true && { tokenTimestamps: true, maxLen: 1 }),
  };
}
