import type { Writable } from 'node:stream';
import { StenographerError } from '../errors.ts';
import type { TranscriptEvent } from '../transcribe/transcriber.ts';

/** One line for the person at the terminal. Faults of ours keep their stack: there is no other log of them. */
export function describeError(error: unknown): string {
  if (error instanceof StenographerError) return error.message;
  return error instanceof Error
    ? `internal error: ${error.stack ?? error.message}`
    : `internal error: ${String(error)}`;
}

export interface Progress {
  update(event: TranscriptEvent): void;
  /** The last words on a file; on a terminal they replace the bar. */
  finish(line: string): void;
}

export interface ProgressOptions {
  /** Where to write: a terminal gets a bar that redraws itself, anything else plain lines. */
  readonly stream: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly label: string;
  readonly now?: () => number;
}

/** A bar is redrawn ten times a second, a plain line comes every ten seconds: nobody watches a log file. */
const BAR_INTERVAL_MS = 100;
const LINE_INTERVAL_MS = 10_000;
const CLEAR_LINE = '\r\x1b[K';

/** Progress of one file. Not a prompt library's: those read the keyboard, and then Ctrl-C and piped input no longer reach us. */
export function createProgress({ stream, label, now = Date.now }: ProgressOptions): Progress {
  const isTerminal = stream.isTTY === true;
  let lastMs = isTerminal ? 0 : now();
  return {
    update(event) {
      if (event.type !== 'transcription-progress') return;
      const intervalMs = isTerminal ? BAR_INTERVAL_MS : LINE_INTERVAL_MS;
      if (now() - lastMs < intervalMs) return;
      lastMs = now();
      if (isTerminal) stream.write(CLEAR_LINE + formatBar(label, event, stream.columns || 80));
      else stream.write(`${label}: ${formatPosition(event)}\n`);
    },
    finish(line) {
      stream.write(`${isTerminal ? CLEAR_LINE : ''}${line}\n`);
    },
  };
}

type ProgressEvent = Extract<TranscriptEvent, { type: 'transcription-progress' }>;

function formatBar(label: string, event: ProgressEvent, columns: number): string {
  const width = Math.max(5, Math.min(30, columns - 50));
  const filled = Math.round(finishedShare(event) * width);
  const bar = `${'#'.repeat(filled)}${'-'.repeat(width - filled)}`;
  return `${label.slice(-30)} [${bar}] ${formatPosition(event)}`.slice(0, columns - 1);
}

/** `1:05 of 3:00 (36 %)`. While the end is not known, what is decoded so far stands for the whole. */
function formatPosition(event: ProgressEvent): string {
  const percent = Math.floor(100 * finishedShare(event));
  return `${formatClock(event.finishedSecond)} of ${formatClock(wholeSecond(event))} (${percent} %)`;
}

function finishedShare(event: ProgressEvent): number {
  return Math.min(1, event.finishedSecond / Math.max(wholeSecond(event), 0.001));
}

function wholeSecond({ totalSecond, decodedSecond }: ProgressEvent): number {
  return totalSecond ?? decodedSecond;
}

/** `m:ss`, from an hour on `h:mm:ss`. */
export function formatClock(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'));
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${parts.join(':')}` : parts.join(':').replace(/^0/, '');
}
