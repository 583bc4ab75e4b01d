import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { ModelRegistry } from './models/catalog.ts';
import type { Admission } from './scheduler/admission.ts';
import type { KeyRing } from './store/key-ring.ts';
import type { Transcriber } from './transcribe/transcriber.ts';
import type { ScratchSpace } from './util/scratch-space.ts';

/** Whether the server can answer transcriptions now; `reason` says why not. */
export interface Readiness {
  readonly ready: boolean;
  readonly reason?: string;
  /** Whether a working ffmpeg was found; without it only WAV is read. */
  readonly ffmpeg: { readonly available: boolean; readonly version?: string; readonly hint?: string };
}

/** The wired parts that `http` and `cli` work with. */
export interface Services {
  readonly config: Config;
  readonly logger: Logger;
  readonly models: ModelRegistry;
  readonly transcriber: Transcriber;
  readonly keys: KeyRing;
  readonly admission: Admission;
  readonly scratch: ScratchSpace;
  readiness(): Readiness;
  /** Refuses new work and makes `readiness` answer "draining"; running work goes on. */
  drain(): void;
  /** Ends children and removes temporary files. Running work is aborted. */
  close(): Promise<void>;
}
