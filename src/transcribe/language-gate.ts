import type { Hypothesis } from '../engines/engine.ts';

export interface LanguageGateOptions {
  /** Codes it may be, the likeliest first; empty: any. */
  readonly candidates: readonly string[];
  /** The code of what the engine names, in the model's spelling; undefined for one the model does not know. */
  readonly codeOf: (heard: string) => string | undefined;
  /** A chunk waits for one with more speech until so many have come, itself included. */
  readonly mostWaiting: number;
}

/** Has a chunk transcribed, in a language or in what the engine hears. */
export type TranscribeIn = (language: string | undefined) => Promise<Hypothesis>;

interface WaitingChunk {
  /** How many came before it. */
  readonly number: number;
  readonly speechSecond: number;
  readonly transcribe: TranscribeIn;
  readonly resolve: (answer: Promise<Hypothesis>) => void;
}

/** Less speech is a poor ground to tell a language from. */
const ENOUGH_SPEECH_SECOND = 3;

/**
 * Finds the language of a recording with its first chunks, as Whisper does with the first 30 s: one chunk is transcribed in whatever
 * the engine hears, and what it heard is the language of all others. Those wait meanwhile; decoding and voice detection do not.
 *
 * The chunk is the first one with enough speech; when none has come for too long, or the recording has ended, the one with most of it.
 * One that fails or holds no words tells nothing, and the next one is tried. An engine that hears words and names no language is not
 * asked again: every chunk then is as the engine takes it.
 */
export class LanguageGate {
  readonly #options: LanguageGateOptions;
  #waiting: WaitingChunk[] = [];
  #submitted = 0;
  #detecting = false;
  #settled = false;
  #ended = false;
  #language: string | undefined;
  #overruled: string | undefined;

  constructor(options: LanguageGateOptions) {
    this.#options = options;
  }

  /** The recording's language as far as it is known. */
  get language(): string | undefined {
    return this.#language;
  }

  /** What was heard, when it is none of the candidates and the first of them was taken. */
  get overruled(): string | undefined {
    return this.#overruled;
  }

  /** Transcribes a chunk when its language is known or it is the one to tell it. Rejects with what `transcribe` rejects with. */
  submit(speechSecond: number, transcribe: TranscribeIn): Promise<Hypothesis> {
    if (this.#settled) return transcribe(this.#language);
    return new Promise((resolve) => {
      this.#waiting.push({ number: this.#submitted, speechSecond, transcribe, resolve });
      this.#submitted += 1;
      this.#advance();
    });
  }

  /** No chunk follows: those that wait go on with what speech there is. */
  end(): void {
    this.#ended = true;
    this.#advance();
  }

  #advance(): void {
    if (this.#detecting) return;
    if (this.#settled) {
      for (const chunk of this.#waiting.splice(0)) chunk.resolve(chunk.transcribe(this.#language));
      return;
    }
    const chunk = this.#takeDetector();
    if (chunk !== undefined) chunk.resolve(this.#detectWith(chunk.transcribe));
  }

  #takeDetector(): WaitingChunk | undefined {
    let index = this.#waiting.findIndex(({ speechSecond }) => speechSecond >= ENOUGH_SPEECH_SECOND);
    if (index < 0 && this.#mustMakeDo()) {
      const most = Math.max(...this.#waiting.map(({ speechSecond }) => speechSecond));
      index = this.#waiting.findIndex(({ speechSecond }) => speechSecond === most);
    }
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0];
  }

  /** Whoever reads the answers in order reads none before the first that waits, and lets no more chunks come meanwhile. */
  #mustMakeDo(): boolean {
    const first = this.#waiting[0];
    if (first === undefined) return false;
    return this.#ended || this.#submitted - first.number >= this.#options.mostWaiting;
  }

  async #detectWith(transcribe: TranscribeIn): Promise<Hypothesis> {
    this.#detecting = true;
    const hypothesis = await this.#listen(transcribe);
    return this.#overruled === undefined ? hypothesis : transcribe(this.#language);
  }

  /** Lets the others go on when the answer is there, whatever it is. */
  async #listen(transcribe: TranscribeIn): Promise<Hypothesis> {
    try {
      const hypothesis = await transcribe(undefined);
      this.#settle(hypothesis);
      return hypothesis;
    } finally {
      this.#detecting = false;
      this.#advance();
    }
  }

  #settle({ text, language }: Hypothesis): void {
    if (text === '') return;
    this.#settled = true;
    const heard = language === undefined ? undefined : this.#options.codeOf(language);
    if (heard === undefined) return;
    const { candidates } = this.#options;
    const fits = candidates.length === 0 || candidates.includes(heard);
    this.#language = fits ? heard : candidates[0];
    this.#overruled = fits ? undefined : heard;
  }
}
