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

export interface Progress<Event> {
  update(event: Event): void;
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

/** How far something is: `share` from 0 to 1 for the bar, and words beside it. */
interface Position {
  readonly share: number;
  readonly text: string;
}

/** Progress of one file. Not a prompt library's: those read the keyboard, and then Ctrl-C and piped input no longer reach us. */
export function createProgress(options: ProgressOptions): Progress<TranscriptEvent> {
  return createBar(options, (event: TranscriptEvent) =>
    event.type === 'transcription-progress' ? positionOf(event) : undefined,
  );
}

/** The same for bytes that come or are copied. */
export function createByteProgress(options: ProgressOptions): Progress<ByteProgress> {
  return createBar(options, ({ receivedBytes, totalBytes, note }: ByteProgress) => {
    const share = Math.min(1, receivedBytes / Math.max(totalBytes, 1));
    const text = `${formatBytes(receivedBytes)} of ${formatBytes(totalBytes)} (${Math.floor(100 * share)} %)`;
    return { share, text: note === undefined ? text : `${text}, ${note}` };
  });
}

export interface ByteProgress {
  readonly receivedBytes: number;
  readonly totalBytes: number;
  readonly note?: string | undefined;
}

function createBar<Event>(
  { stream, label, now = Date.now }: ProgressOptions,
  positionOfEvent: (event: Event) => Position | undefined,
): Progress<Event> {
  const isTerminal = stream.isTTY === true;
  let lastMs = isTerminal ? 0 : now();
  return {
    update(event) {
      const position = positionOfEvent(event);
      if (position === undefined) return;
      const intervalMs = isTerminal ? BAR_INTERVAL_MS : LINE_INTERVAL_MS;
      if (now() - lastMs < intervalMs) return;
      lastMs = now();
      if (isTerminal) stream.write(CLEAR_LINE + formatBar(label, position, stream.columns || 80));
      else stream.write(`${label}: ${position.text}\n`);
    },
    finish(line) {
      stream.write(`${isTerminal ? CLEAR_LINE : ''}${line}\n`);
    },
  };
}

type ProgressEvent = Extract<TranscriptEvent, { type: 'transcription-progress' }>;

function formatBar(label: string, { share, text }: Position, columns: number): string {
  const width = Math.max(5, Math.min(30, columns - 50));
  const filled = Math.round(share * width);
  const bar = `${'#'.repeat(filled)}${'-'.repeat(width - filled)}`;
  return `${label.slice(-30)} [${bar}] ${text}`.slice(0, columns - 1);
}

/** `1:05 of 3:00 (36 %)`. While the end is not known, what is decoded so far stands for the whole. */
function positionOf(event: ProgressEvent): Position {
  const whole = event.totalSecond ?? event.decodedSecond;
  const share = Math.min(1, event.finishedSecond / Math.max(whole, 0.001));
  const text = `${formatClock(event.finishedSecond)} of ${formatClock(whole)} (${Math.floor(100 * share)} %)`;
  return { share, text };
}

/** Bytes as disks and publishers count them: powers of ten. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  while (value >= 999.5 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${value < 10 && value !== Math.round(value) ? value.toFixed(1) : Math.round(value)} ${units[0]}`;
}

/** `m:ss`, from an hour on `h:mm:ss`. */
export function formatClock(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'));
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${parts.join(':')}` : parts.join(':').replace(/^0/, '');
}
