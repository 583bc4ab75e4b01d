import { AudioTooLongError, InvalidAudioError, StenographerError } from '../errors.ts';

/** Longer lines hold nothing that is looked for. */
const MAXIMUM_LINE_LENGTH = 4_096;

/**
 * What ffmpeg's messages say about a file. Facts only: its words may hold paths and metadata, so none of them is
 * kept.
 */
export interface FfmpegFacts {
  /** The first audio track as the container declares it. */
  sound: { readonly sampleRate: number; readonly channels: number } | undefined;
  noAudioTrack: boolean;
  unknownCoding: boolean;
  /** Cut off, or broken in places. */
  damaged: boolean;
  storageFull: boolean;
}

/** Reads standard error as it comes, whatever its length, in bounded memory. */
export class FfmpegReport {
  readonly facts: FfmpegFacts = {
    sound: undefined,
    noAudioTrack: false,
    unknownCoding: false,
    damaged: false,
    storageFull: false,
  };
  #line = '';

  push(text: string): void {
    const lines = (this.#line + text).split(/[\r\n]/);
    this.#line = (lines.pop() ?? '').slice(0, MAXIMUM_LINE_LENGTH);
    for (const line of lines) this.#read(line);
  }

  end(): void {
    this.#read(this.#line);
    this.#line = '';
  }

  #read(line: string): void {
    const facts = this.facts;
    facts.sound ??= readStreamLine(line);
    if (!/\[(?:error|fatal|panic)\]/.test(line)) return;
    if (/matches no streams|does not contain any stream/.test(line)) facts.noAudioTrack = true;
    if (/No space left on device|Disk quota exceeded/.test(line)) facts.storageFull = true;
    if (/opening decoder|not found for input stream|Unknown decoder|Decoder .* not found/.test(line))
      facts.unknownCoding = true;
    if (/Invalid data|not found|[Tt]runcat|ended prematurely|partial file|corrupt|[Ee]nd of file/.test(line))
      facts.damaged = true;
  }
}

/**
 * `Stream #0:1[0x2](eng): Audio: aac (LC), 44100 Hz, stereo, fltp`; output streams come later and are not looked at.
 */
function readStreamLine(line: string): NonNullable<FfmpegFacts['sound']> | undefined {
  const [, rate, layout] =
    /^(?:\[info\])?\s*Stream #0:\d+[^ ]*: Audio: .*?, (\d{1,12}) Hz, ([^,]+)/.exec(line) ?? [];
  if (rate === undefined || layout === undefined) return undefined;
  const counted = /^(\d+) channels/.exec(layout)?.[1];
  // Names of ours are only needed for what lies beyond the limit; every layout with a name but 22.2 has 16 channels or fewer.
  const channels = counted !== undefined ? Number(counted) : layout.startsWith('22.2') ? 24 : 1;
  return { sampleRate: Number(rate), channels };
}

/** How a run of ffmpeg ended. */
export interface FfmpegOutcome {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why we ended it, if we did. Limits of the machine (file size, processor time) arrive as exit 153 or a signal. */
  readonly stopped?: 'too-long' | 'too-slow' | undefined;
  readonly samples: number;
}

/** Exit codes of env, prlimit, setpriv and unshare when they cannot start the program behind them. */
export const CANNOT_START_CODES: readonly (number | null)[] = [126, 127];

/**
 * Undefined when what was decoded is good, if perhaps only a part (`facts.damaged`, or an exit code that is not 0).
 */
export function explainFailure(
  outcome: FfmpegOutcome,
  facts: FfmpegFacts,
  maximumSeconds: number,
): StenographerError | undefined {
  if (outcome.stopped === 'too-long' || outcome.signal === 'SIGXFSZ' || outcome.exitCode === 153)
    return new AudioTooLongError(maximumSeconds);
  if (outcome.stopped === 'too-slow' || outcome.signal === 'SIGXCPU')
    return new StenographerError(
      'timeout',
      'The audio file was given up: decoding it takes far longer than sound of its length may.',
      { param: 'file' },
    );
  if (facts.storageFull) return storageFullError();
  if (outcome.signal !== null) return new InvalidAudioError('the decoder gave up on it');
  if (outcome.samples > 0) return undefined;
  if (facts.noAudioTrack) return new InvalidAudioError('it has no audio track');
  if (facts.unknownCoding) return new InvalidAudioError('its sound is coded in a way that is not known here');
  return new InvalidAudioError('it is damaged, incomplete or holds no sound');
}

export function storageFullError(cause?: unknown): StenographerError {
  return new StenographerError(
    'storage_full',
    'The server has no disk space left to decode this audio. Try again later.',
    {
      retryAfterSecond: 30,
      cause,
    },
  );
}
