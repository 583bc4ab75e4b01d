import { setTimeout as delay } from 'node:timers/promises';
import { type WhisperBinding, withoutPaths } from './binding.ts';

const KEPT_LINES = 5;
const FEWEST_TURNS = 5;

/**
 * whisper.cpp tells why something failed in its log alone, and writes the log to stderr unless it has a listener. It has one log for the
 * process: all its models share one of these, from the first `open` to the last `close`.
 */
export class NativeLog {
  static readonly #shared = new Map<WhisperBinding['WhisperContext'], NativeLog>();

  readonly #context: WhisperBinding['WhisperContext'];
  readonly #lines: string[] = [];
  #users = 0;
  #foundNoCard = false;
  #received = 0;

  static open({ WhisperContext }: WhisperBinding): NativeLog {
    const log = NativeLog.#shared.get(WhisperContext) ?? new NativeLog(WhisperContext);
    NativeLog.#shared.set(WhisperContext, log);
    if (log.#users === 0) log.#listen();
    log.#users += 1;
    return log;
  }

  private constructor(context: WhisperBinding['WhisperContext']) {
    this.#context = context;
  }

  #listen(): void {
    this.#context.toggleNativeLog(true, (level, text) => {
      this.#received += 1;
      if (text.includes('no GPU found')) this.#foundNoCard = true;
      if (level !== 'error') return;
      this.#lines.push(text);
      if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    });
  }

  /** Once for each `open`, when the model that it was for computes no more. */
  close(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#context.toggleNativeLog(false);
  }

  /** Whether a model was loaded that wanted a card and computes without. */
  async foundNoCard(): Promise<boolean> {
    await this.#settle();
    return this.#foundNoCard;
  }

  forget(): void {
    this.#lines.length = 0;
  }

  /** The last errors, without paths and the names of functions. */
  async reason(): Promise<string> {
    await this.#settle();
    const told = this.#lines
      .map((line) => withoutPaths(line.replace(/^\w+: /, '').trim()))
      .filter((line) => line !== '');
    return told.length === 0 ? 'whisper.cpp does not say why' : told.join('; ');
  }

  /** Lines reach JavaScript through the event loop, some turns after they were written. */
  async #settle(): Promise<void> {
    for (let turn = 0, seen = -1; turn < FEWEST_TURNS || this.#received > seen; turn += 1) {
      seen = this.#received;
      await delay(1);
    }
  }
}
