import { samplesToSeconds } from '../audio/audio.ts';
import type { Capabilities, Hypothesis } from '../engines/engine.ts';
import { languageName } from '../formats/language-names.ts';
import type { ModelEntry } from '../models/catalog.ts';
import { splitWords } from '../util/words.ts';
import type { SpeechChunk } from '../vad/chunking.ts';
import type { LanguageGate } from './language-gate.ts';
import type { TranscribeOptions } from './transcriber.ts';

/** What the engine made of a chunk, in words for the caller. */
export function describeTrouble(trouble: NonNullable<Hypothesis['trouble']>, chunk: SpeechChunk): string {
  const [from, to] = [chunk.startSample, chunk.endSample].map((sample) =>
    samplesToSeconds(sample).toFixed(1),
  );
  const place = `Between ${from} and ${to} s`;
  switch (trouble) {
    case 'loop-cut':
      return `${place} the model repeated itself; the repetition was cut out.`;
    case 'dropped':
      return `${place} the model made no sense of what it heard; its words were left out.`;
    case 'unsure':
      return `${place} the words are a guess: the model was unsure of all of them.`;
  }
}

/** What the engine cannot honour is said, never dropped silently. */
export function warningsFor(
  model: ModelEntry,
  capabilities: Capabilities,
  request: TranscribeOptions,
): string[] {
  const warnings: string[] = [];
  if (request.prompt !== undefined && !capabilities.prompt)
    warnings.push(`The model ${model.id} takes no prompt; it was not used.`);
  if (capabilities.prompt) warnings.push(...cutPromptWarnings(model, capabilities, request));
  if ((request.keywords?.length ?? 0) > 0 && !capabilities.keywords)
    warnings.push(`The model ${model.id} takes no keywords; they were not used.`);
  if (request.words === true && !capabilities.words)
    warnings.push(`The model ${model.id} gives no times of words.`);
  if (request.logprobs === true && !capabilities.logprobs)
    warnings.push(`The model ${model.id} gives no log probabilities.`);
  if ((request.temperature ?? 0) > 0 && !capabilities.temperature)
    warnings.push(`The model ${model.id} decodes greedily; temperature was not used.`);
  return warnings;
}

function cutPromptWarnings(
  { id }: ModelEntry,
  { promptTokens, promptRoom }: Capabilities,
  { prompt = '', keywords = [] }: TranscribeOptions,
): string[] {
  const hasKeywords = keywords.length > 0;
  const characters = hasKeywords ? promptRoom?.promptBesideKeywords : promptRoom?.prompt;
  if (characters !== undefined && hasKeywords && prompt.trim().length > characters)
    return [
      `Beside keywords the model ${id} reads ${characters} characters of a prompt; only its end was used.`,
    ];
  if (certainlyLonger(prompt, promptTokens))
    return [
      `The prompt is longer than the ${promptTokens} tokens that the model ${id} reads; only its end was used.`,
    ];
  if (characters !== undefined && prompt.trim().length > characters)
    return [
      `The prompt is longer than the ${characters} characters that the model ${id} reads; only its end was used.`,
    ];
  return [];
}

/** A word has at least one token. */
function certainlyLonger(prompt: string, tokens: number | undefined): boolean {
  return tokens !== undefined && splitWords(prompt).length > tokens;
}

interface LanguageWork {
  readonly model: ModelEntry;
  readonly capabilities: Capabilities;
  readonly request: TranscribeOptions;
  readonly language: string | undefined;
  readonly gate: LanguageGate | undefined;
}

/** What became of the language, where that is not what the caller may think. `heard`: whether anything was said. */
export function languageWarnings(
  { model, capabilities, request, language, gate }: LanguageWork,
  heard: boolean,
): string[] {
  if (gate?.overruled !== undefined)
    return [
      `The model ${model.id} heard ${languageName(gate.overruled)}, which is none of the languages asked for; ` +
        `the recording was transcribed as ${languageName(gate.language ?? '')}, the first of them.`,
    ];
  const choosesItself = model.languages.length > 1 && !capabilities.detectsLanguage;
  if (choosesItself && request.language !== undefined)
    return [
      `The model ${model.id} chooses the language by itself; the field language only names it in the answer.`,
    ];
  if (!heard || (gate?.language ?? language) !== undefined) return [];
  return [
    `The model ${model.id} did not tell which language it heard; give language to have it named in the answer.`,
  ];
}
