import { z } from 'zod';
import { languageCode } from '../../formats/language-names.ts';
import type { FormField } from '../upload.ts';
import { audioFields, audioFieldValues, checkFields, cueFields, modelOf, oneOf } from './audio-fields.ts';
import { setsVoiceDetector } from './chunking-strategy.ts';
import { booleanOf, groupFields, listOf, textOf } from './form-fields.ts';

const GRANULARITIES = ['word', 'segment'] as const;
const INCLUDES = ['logprobs'] as const;
const MAXIMUM_KEYWORDS = 1000;

/** An ISO 639-1 code out of a code or tag; undefined for auto. */
const language = z.string().transform((tag, context) => {
  if (tag.trim().toLowerCase() === 'auto') return undefined;
  const code = languageCode(tag);
  if (code === undefined)
    context.addIssue({
      code: 'custom',
      message: 'must be an ISO-639-1 code such as en, de or ja',
      params: { languageFormat: true },
    });
  return code;
});

/** The text fields of a transcription request, after coercion from form text. The OpenAPI document is made from this schema. */
export const transcriptionFields = z.object({
  ...audioFields,
  language: language
    .optional()
    .describe(
      'The language of the input audio in ISO-639-1 format (`en`, `zh`, `ja`). `auto` counts as not given: then a model with many ' +
        'languages detects it where it can.',
    ),
  languages: z
    .array(language)
    .max(100)
    .optional()
    .describe(
      'Languages the audio may be in, as ISO-639-1 codes, the likeliest first: a model that detects keeps to them. `language` goes ' +
        'before it.',
    ),
  keywords: z
    .array(z.string().max(256, { error: 'must hold terms of at most 256 characters' }), {
      error: 'must be a list of terms',
    })
    .max(MAXIMUM_KEYWORDS, { error: `must hold at most ${MAXIMUM_KEYWORDS} terms` })
    .optional()
    .describe('Names and terms that the audio is likely to hold; they become more likely in the text.'),
  timestamp_granularities: z
    .array(z.enum(GRANULARITIES, oneOf(GRANULARITIES)))
    .max(16)
    .default(['segment'])
    .describe(
      'Which times verbose_json carries: `segments`, `words` or both. `word` needs a model with word times.',
    ),
  stream: z
    .boolean({ error: 'must be true or false' })
    .default(false)
    .describe('Answer with server-sent events while the transcription goes on. Not with srt and vtt.'),
  include: z
    .array(z.enum(INCLUDES, oneOf(INCLUDES)))
    .max(16)
    .default([])
    .describe(
      '`logprobs`: the tokens of the text with their log probabilities. For response_format json and for streams; needs a model ' +
        'that has them.',
    ),
  ...cueFields,
});

export type TranscriptionFields = z.infer<typeof transcriptionFields>;

/** Fields that OpenAI has for models unlike ours: well-formed requests get a warning instead of silence. */
const UNUSED_FIELDS: readonly string[] = ['known_speaker_names', 'known_speaker_references'];

/** Validated fields, and under which name each came. */
export interface TranscriptionRequest extends TranscriptionFields {
  /** The client's spelling of a field: `timestamp_granularities[]`. */
  spelling(field: string): string;
  /** Whether a field was sent, with something in it. */
  sent(field: string): boolean;
  /** Fields of other models that were sent and change nothing here. */
  readonly unused: readonly string[];
  /** Fields that are none of the interface. */
  readonly unknown: readonly string[];
}

export interface ParseFieldsOptions {
  /** Model of requests that name none; without one `model` is required. */
  readonly defaultModel: string | undefined;
}

/** Coerces and validates form fields. Throws InvalidRequestError for the first field at fault; fields nobody knows are ignored. */
export function parseTranscriptionFields(
  fields: readonly FormField[],
  { defaultModel }: ParseFieldsOptions,
): TranscriptionRequest {
  const groups = groupFields(fields);
  const values = {
    ...audioFieldValues(groups, modelOf(groups, defaultModel)),
    language: textOf(groups.get('language')),
    languages: listOf(groups.get('languages')),
    keywords: listOf(groups.get('keywords')),
    timestamp_granularities: listOf(groups.get('timestamp_granularities')),
    stream: booleanOf(groups.get('stream')),
    include: listOf(groups.get('include')),
  };
  const checked = checkFields(transcriptionFields, values, groups);
  const unused = UNUSED_FIELDS.filter((name) => groups.has(name));
  if (setsVoiceDetector(groups)) unused.push('chunking_strategy');
  return {
    ...checked,
    spelling: (field) => groups.get(field)?.spelling ?? field,
    sent: (field) => groups.has(field),
    unused,
    unknown: [...groups.keys()].filter((name) => !isTranscriptionField(name)),
  };
}

/** Whether a name is one of the interface's fields, those of other models included. */
export function isTranscriptionField(name: string): boolean {
  return (
    Object.hasOwn(transcriptionFields.shape, name) ||
    UNUSED_FIELDS.includes(name) ||
    /^chunking_strategy(?:\[\w+\])?$/.test(name)
  );
}
