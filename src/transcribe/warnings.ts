import { samplesToSeconds } from '../audio/audio.ts';
import type { Capabilities, Hypothesis } from '../engines/engine.ts';
import type { ModelEntry } from '../models/catalog.ts';
import type { SpeechChunk } from '../vad/chunking.ts';
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
