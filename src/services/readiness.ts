import { statfsSync } from 'node:fs';
import type { Ffmpeg } from '../audio/ffmpeg.ts';
import type { Config } from '../config.ts';
import type { Accounts } from '../store/accounts.ts';

/** Whether the server can answer transcriptions now; `reason` says why not. */
export interface Readiness {
  readonly ready: boolean;
  readonly reason?: string;
  /** Whether a working ffmpeg was found; without it only WAV is read. */
  readonly ffmpeg: { readonly available: boolean; readonly version?: string; readonly hint?: string };
}

export interface ReadinessSources {
  readonly config: Config;
  readonly ffmpeg: Ffmpeg;
  readonly accounts: Accounts;
  readonly isDraining: () => boolean;
  /** Whether the start is over: the embedded model and those of `preload` were loaded, or could not be. */
  readonly isStarted: () => boolean;
  /** Whether the processes of the embedded model and the voice detector do not keep ending; those of other models do not count. */
  readonly isHealthy: () => boolean;
}

/** Looks anew on each call. */
export function readReadiness(sources: ReadinessSources): Readiness {
  const reason = troubleOf(sources);
  const { ffmpeg } = sources;
  return reason === undefined ? { ready: true, ffmpeg } : { ready: false, reason, ffmpeg };
}

function troubleOf({
  config,
  accounts,
  isDraining,
  isStarted,
  isHealthy,
}: ReadinessSources): string | undefined {
  if (isDraining()) return 'draining: the server is shutting down';
  if (!isStarted()) return 'loading: the models are not loaded yet';
  if (!isHealthy()) return 'engine: the inference processes keep ending';
  return storeTrouble(accounts) ?? diskTrouble(config);
}

function storeTrouble({ store, usage }: Accounts): string | undefined {
  try {
    store.check();
  } catch {
    return 'store: keys and usage cannot be read or written';
  }
  return usage.unwritten === 0 ? undefined : 'store: usage waits to be written';
}

function diskTrouble({ dataDir, diskReserveBytes }: Config): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(dataDir);
    if (bavail * bsize >= diskReserveBytes) return undefined;
    return `disk: less than ${diskReserveBytes} bytes are free for uploads (STENO_DISK_RESERVE_BYTES)`;
  } catch {
    return 'disk: the data folder cannot be reached';
  }
}
