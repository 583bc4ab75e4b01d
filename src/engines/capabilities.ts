import type { Capabilities, Chunk } from './engine.ts';
import { PROMPT_ROOM } from './whisper-cpp/prompt.ts';

/** What a catalogue entry says of its model; {@link capabilitiesOf} needs nothing else of it. */
export interface ModelTraits {
  readonly engine: string;
  /** Which of the engine's networks, where it has several. Default `whisper` for whisper-cpp. */
  readonly architecture?: 'whisper' | 'parakeet' | undefined;
  /** ISO 639 codes. */
  readonly languages: readonly string[];
  readonly abilities: { readonly translate: boolean; readonly words: boolean; readonly prompt: boolean };
}

/**
 * What a model can do, told by its catalogue entry alone: nothing is loaded. The engine that opens the model says the same.
 * Throws when no engine has that name.
 */
export function capabilitiesOf(model: ModelTraits): Capabilities {
  const { engine, architecture = 'whisper' } = model;
  if (engine === 'moonshine') return moonshine(model);
  if (engine === 'whisper-cpp') return architecture === 'parakeet' ? parakeet(model) : whisper(model);
  throw new Error(`expected an engine of moonshine, whisper-cpp, got ${engine}`);
}

/** Throws when a chunk asks for a language or task that the model does not have: the caller looks at its capabilities first. */
export function checkChunk({ language, task }: Chunk, { languages, translate }: Capabilities): void {
  if (language !== undefined && !languages.includes(language))
    throw new Error(`expected a language of ${languages.join(', ')}, got ${language}`);
  if (task === 'translate' && !translate) throw new Error('the model cannot translate');
}

function moonshine({ languages, abilities }: ModelTraits): Capabilities {
  return {
    languages,
    longestChunkSecond: 30,
    prompt: abilities.prompt,
    keywords: abilities.prompt,
    temperature: true,
    translate: false,
    words: abilities.words,
    logprobs: true,
    batchSize: 8,
    detectsLanguage: false,
  };
}

/** The encoder always computes 30 s; a chunk that fits with the sound around it costs one run. */
const WHISPER_WINDOW_SECOND = 30;

/** Half of its text context of 448 tokens. */
const WHISPER_PROMPT_TOKENS = 224;

function whisper({ languages, abilities }: ModelTraits): Capabilities {
  return {
    languages,
    longestChunkSecond: WHISPER_WINDOW_SECOND,
    windowSecond: WHISPER_WINDOW_SECOND,
    prompt: abilities.prompt,
    promptTokens: WHISPER_PROMPT_TOKENS,
    promptRoom: PROMPT_ROOM,
    // Whisper has no other way to be told of names than its prompt.
    keywords: abilities.prompt,
    continuesPrompt: abilities.prompt,
    temperature: true,
    translate: abilities.translate,
    words: abilities.words,
    logprobs: false,
    batchSize: 1,
    detectsLanguage: languages.length > 1,
  };
}

function parakeet({ languages }: ModelTraits): Capabilities {
  return {
    languages,
    // It takes more, but attention over all frames costs with the square of the length.
    longestChunkSecond: 30,
    prompt: false,
    keywords: false,
    temperature: false,
    translate: false,
    // The binding gives one segment for the whole chunk and no tokens.
    words: false,
    logprobs: false,
    batchSize: 1,
    detectsLanguage: false,
  };
}
