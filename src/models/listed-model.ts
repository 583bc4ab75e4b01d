import type { ModelEntry } from './catalog.ts';

/**
 * `loaded`: in memory; `loading`: on the way there; `ready`: here, loads on use; `failed`: here, but its last load failed;
 * `downloading`, `downloadable`: not here yet; `upstream`: another service computes it.
 */
export type ModelState =
  | 'loaded'
  | 'loading'
  | 'ready'
  | 'failed'
  | 'downloading'
  | 'downloadable'
  | 'upstream';

/** What a model can do, with the words of the API. */
export type ModelAbility =
  | 'transcribe'
  | 'translate'
  | 'streaming'
  | 'words'
  | 'logprobs'
  | 'prompt'
  | 'keywords'
  | 'language_detection';

/** One name with what a client may want to know before it asks for a transcription. */
export interface ListedModel {
  readonly name: string;
  /** Unix seconds. */
  readonly created: number;
  readonly ownedBy: string;
  readonly state: ModelState;
  /** Why it `failed`. */
  readonly reason?: string;
  /** What computes it, in the order tried, for names that have more than one answer or none here. */
  readonly targets?: readonly string[];
  /** The local model, where the name means one first. */
  readonly model?: ModelEntry;
  readonly abilities?: readonly ModelAbility[];
  /** Bytes on disk, rounded where the publisher rounds and nothing is here yet. */
  readonly sizeBytes?: number;
}

/** The part of an engine's capabilities that is shown. */
export interface EngineAbilities {
  readonly translate: boolean;
  readonly words: boolean;
  readonly logprobs: boolean;
  readonly prompt: boolean;
  readonly keywords: boolean;
  readonly detectsLanguage: boolean;
}

/** Every local model transcribes, and streams what it has while it goes on. */
export function abilitiesOf(engine: EngineAbilities): readonly ModelAbility[] {
  return [
    'transcribe',
    'streaming',
    ...(['translate', 'words', 'logprobs', 'prompt', 'keywords'] as const).filter(
      (ability) => engine[ability],
    ),
    ...(engine.detectsLanguage ? (['language_detection'] as const) : []),
  ];
}
