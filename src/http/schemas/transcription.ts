import { z } from 'zod';
import { InvalidRequestError } from '../../errors.ts';
import { languageCode } from '../../formats/language-names.ts';
import { RESPONSE_FORMATS } from '../../formats/response-format.ts';
import type { FormField } from '../upload.ts';
import { setsVoiceDetector } from './chunking-strategy.ts';
import { booleanOf, groupFields, listOf, numberOf, textOf } from './form-fields.ts';

/** What a part of a list may be called when it is refused; the client's own text is never repeated. */
const oneOf = (values: readonly string[]) => ({ error: `must be one of ${values.join(', ')}` });

const GRANULARITIES = ['word', 'segment'] as const;
const INCLUDES = ['logprobs'] as const;

/** The text fields of a transcription request, after coercion from form text. The OpenAPI document is made from this schema. */
export const transcriptionFields = z.object({
  model: z
    .string()
    .max(256, { error: 'must have at most 256 characters' })
    .default('whisper-1')
    .describe('The speech-to-text model: an id or alias of GET /v1/models.'),
  language: z
    .string()
    .transform((tag, context) => {
      if (tag.trim().toLowerCase() === 'auto') return undefined;
      const code = languageCode(tag);
      if (code === undefined)
        context.addIssue({
          code: 'custom',
          message: 'must be an ISO-639-1 code such as en, de or ja',
          params: { languageFormat: true },
        });
      return code;
    })
    .optional()
    .describe(
      'The language of the input audio in ISO-639-1 format (`en`, `zh`, `ja`). `auto` counts as not given.',
    ),
  prompt: z
    .string()
    .optional()
    .describe(
      'Optional text to guide the style of the transcript or continue a previous segment, in the language of the audio.',
    ),
  response_format: z
    .enum(RESPONSE_FORMATS, oneOf(RESPONSE_FORMATS))
    .default('json')
    .describe('The output format for the transcription.'),
  temperature: z
    .number({ error: 'must be a number from 0 to 1' })
    .min(0, { error: 'must be a number from 0 to 1' })
    .max(1, { error: 'must be a number from 0 to 1' })
    .default(0)
    .describe('Sampling temperature between 0 and 1. 0 takes the most likely text.'),
  timestamp_granularities: z
    .array(z.enum(GRANULARITIES, oneOf(GRANULARITIES)))
    .max(16)
    .default(['segment'])
    .describe('Which times verbose_json carries. `word` needs a model with word times.'),
  stream: z
    .boolean({ error: 'must be true or false' })
    .default(false)
    .describe('Answer with server-sent events while the transcription goes on. Not with srt and vtt.'),
  include: z
    .array(z.enum(INCLUDES, oneOf(INCLUDES)))
    .max(16)
    .default([])
    .describe('`logprobs` needs a model with token probabilities.'),
});

export type TranscriptionFields = z.infer<typeof transcriptionFields>;

/** Validated fields, and under which name each came. */
export interface TranscriptionRequest extends TranscriptionFields {
  /** The client's spelling of a field: `timestamp_granularities[]`. */
  spelling(field: keyof TranscriptionFields): string;
  /** Fields of other models that were sent and change nothing here. */
  readonly unused: readonly string[];
}

export interface ParseFieldsOptions {
  /** Model of requests that name none; without one `model` is required. */
  readonly defaultModel: string | undefined;
}

/** Fields that OpenAI has for models unlike ours: well-formed requests get a warning instead of silence. */
const UNUSED_FIELDS = ['languages', 'keywords', 'known_speaker_names', 'known_speaker_references'];

/** Coerces and validates form fields. Throws InvalidRequestError for the first field at fault; fields nobody knows are ignored. */
export function parseTranscriptionFields(
  fields: readonly FormField[],
  { defaultModel }: ParseFieldsOptions,
): TranscriptionRequest {
  const groups = groupFields(fields);
  const spelling = (field: string) => groups.get(field)?.spelling ?? field;
  const model = textOf(groups.get('model')) ?? defaultModel;
  if (model === undefined)
    throw new InvalidRequestError(
      'model',
      'The field model is required: name one of GET /v1/models.',
      'missing_required_parameter',
    );
  const parsed = transcriptionFields.safeParse({
    model,
    language: textOf(groups.get('language')),
    prompt: textOf(groups.get('prompt')),
    response_format: textOf(groups.get('response_format')),
    temperature: numberOf(groups.get('temperature')),
    timestamp_granularities: listOf(groups.get('timestamp_granularities')),
    stream: booleanOf(groups.get('stream')),
    include: listOf(groups.get('include')),
  });
  if (!parsed.success) throw fieldError(parsed.error, spelling);
  const unused = UNUSED_FIELDS.filter((name) => groups.has(name));
  if (setsVoiceDetector(groups)) unused.push('chunking_strategy');
  return { ...parsed.data, spelling, unused };
}

function fieldError({ issues }: z.ZodError, spelling: (field: string) => string): InvalidRequestError {
  const [first] = issues;
  const param = spelling(String(first?.path[0] ?? ''));
  const languageFormat = first?.code === 'custom' && first.params?.languageFormat === true;
  const sentences = issues.map((issue) => `The field ${spelling(String(issue.path[0]))} ${issue.message}.`);
  return new InvalidRequestError(
    param,
    [...new Set(sentences)].join(' '),
    languageFormat ? 'invalid_language_format' : 'invalid_value',
  );
}
