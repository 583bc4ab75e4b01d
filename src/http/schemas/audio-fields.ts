import { z } from 'zod';
import { InvalidRequestError } from '../../errors.ts';
import { type CueLimits, DEFAULT_CUE_LIMITS } from '../../formats/cues.ts';
import { RESPONSE_FORMATS } from '../../formats/response-format.ts';
import { type FieldValues, numberOf, textOf } from './form-fields.ts';

/** What a part of a list may be called when it is refused; the client's own text is never repeated. */
export const oneOf = (values: readonly string[]) => ({ error: `must be one of ${values.join(', ')}` });

const temperatureError = { error: 'must be a number from 0 to 1' };

function cueLimit(minimum: number, maximum: number, description: string) {
  const error = { error: `must be a whole number from ${minimum} to ${maximum}` };
  return z.int(error).min(minimum, error).max(maximum, error).optional().describe(description);
}

/** The fields that transcriptions and translations share. */
export const audioFields = {
  model: z
    .string()
    .max(256, { error: 'must have at most 256 characters' })
    .default('whisper-1')
    .describe('The speech-to-text model: an id or alias of GET /v1/models.'),
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
    .number(temperatureError)
    .min(0, temperatureError)
    .max(1, temperatureError)
    .default(0)
    .describe(
      'Sampling temperature between 0 and 1. 0 takes the most likely text and goes up by itself where that fails.',
    ),
};

/** Extension: how large subtitles may be. */
export const cueFields = {
  max_line_width: cueLimit(
    10,
    200,
    'srt and vtt: characters in a line, full-width ones count 2. Default 42.',
  ),
  max_line_count: cueLimit(1, 10, 'srt and vtt: lines in a cue. Default 2.'),
  max_cue_duration: cueLimit(1, 60, 'srt and vtt: longest time of a cue in seconds. Default 7.'),
};

export const CUE_FIELD_NAMES = ['max_line_width', 'max_line_count', 'max_cue_duration'] as const;

/** The shared fields out of a form, for a schema to check. */
export function audioFieldValues(groups: ReadonlyMap<string, FieldValues>, model: string) {
  return {
    model,
    prompt: textOf(groups.get('prompt')),
    response_format: textOf(groups.get('response_format')),
    temperature: numberOf(groups.get('temperature')),
    ...Object.fromEntries(CUE_FIELD_NAMES.map((name) => [name, numberOf(groups.get(name))])),
  };
}

/** The model a form names, or the default. Throws when there is neither. */
export function modelOf(groups: ReadonlyMap<string, FieldValues>, defaultModel: string | undefined): string {
  const model = textOf(groups.get('model')) ?? defaultModel;
  if (model !== undefined) return model;
  throw new InvalidRequestError(
    'model',
    'The field model is required: name one of GET /v1/models.',
    'missing_required_parameter',
  );
}

/** Checks fields against a schema. Throws InvalidRequestError for the first one at fault; its message tells of all. */
export function checkFields<Schema extends z.ZodType>(
  schema: Schema,
  values: object,
  groups: ReadonlyMap<string, FieldValues>,
): z.infer<Schema> {
  refuseFiles(values, groups);
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const spelling = (field: string) => groups.get(field)?.spelling ?? field;
  const [first] = parsed.error.issues;
  const languageFormat = first?.code === 'custom' && first.params?.languageFormat === true;
  const sentences = parsed.error.issues.map(
    (issue) => `The field ${spelling(String(issue.path[0]))} ${issue.message}.`,
  );
  throw new InvalidRequestError(
    spelling(String(first?.path[0] ?? '')),
    [...new Set(sentences)].join(' '),
    languageFormat ? 'invalid_language_format' : 'invalid_value',
  );
}

/** A field that came as a file was not read: it must not look as if it had not been sent. */
function refuseFiles(values: object, groups: ReadonlyMap<string, FieldValues>): void {
  for (const name of Object.keys(values)) {
    const field = groups.get(name);
    if (field?.isFile)
      throw new InvalidRequestError(
        field.spelling,
        `The field ${field.spelling} must be sent as text, not as a file.`,
      );
  }
}

/** Cue limits as asked for, the rest as usual. */
export function cueLimits(fields: z.infer<z.ZodObject<typeof cueFields>>): CueLimits {
  return {
    maxLineWidth: fields.max_line_width ?? DEFAULT_CUE_LIMITS.maxLineWidth,
    maxLineCount: fields.max_line_count ?? DEFAULT_CUE_LIMITS.maxLineCount,
    maxCueSecond: fields.max_cue_duration ?? DEFAULT_CUE_LIMITS.maxCueSecond,
  };
}
