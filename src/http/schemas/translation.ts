import { z } from 'zod';
import type { FormField } from '../upload.ts';
import { audioFields, audioFieldValues, checkFields, cueFields, modelOf } from './audio-fields.ts';
import { groupFields } from './form-fields.ts';
import { isTranscriptionField, type ParseFieldsOptions } from './transcription.ts';

/** The text fields of a translation request. */
export const translationFields = z.object({ ...audioFields, ...cueFields });

export type TranslationFields = z.infer<typeof translationFields>;

export interface TranslationRequest extends TranslationFields {
  /** Whether a field was sent, with something in it. */
  sent(field: string): boolean;
  /** Fields of transcriptions, which translations do not have. */
  readonly unused: readonly string[];
  /** Fields that are none of the interface. */
  readonly unknown: readonly string[];
}

/** Coerces and validates form fields. Throws InvalidRequestError for the first field at fault; other fields are ignored. */
export function parseTranslationFields(
  fields: readonly FormField[],
  { defaultModel }: ParseFieldsOptions,
): TranslationRequest {
  const groups = groupFields(fields);
  const values = audioFieldValues(groups, modelOf(groups, defaultModel));
  const others = [...groups.keys()].filter((name) => !Object.hasOwn(translationFields.shape, name));
  return {
    ...checkFields(translationFields, values, groups),
    sent: (field) => groups.has(field),
    unused: others.filter(isTranscriptionField),
    unknown: others.filter((name) => !isTranscriptionField(name)),
  };
}
