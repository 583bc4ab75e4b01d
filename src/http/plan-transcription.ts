import { InvalidRequestError, StenographerError } from '../errors.ts';
import { findLanguage } from '../formats/language-names.ts';
import { adviseModels } from '../models/advise.ts';
import { requireLanguage } from '../transcribe/choose-language.ts';
import type { ModelAbilities } from '../transcribe/transcriber.ts';
import type { AudioPlan, PlanContext } from './audio-plan.ts';
import { cueWarnings, unknownFieldWarnings, unusedFieldWarnings } from './request-warnings.ts';
import { cueLimits } from './schemas/audio-fields.ts';
import { parseTranscriptionFields, type TranscriptionRequest } from './schemas/transcription.ts';
import type { FormField } from './upload.ts';

/** A transcription form as work to do. Throws for fields that are wrong, and for what the model cannot honour. */
export function planTranscription(fields: readonly FormField[], context: PlanContext): AudioPlan {
  const request = parseTranscriptionFields(fields, context);
  const { languages: known } = context.models.resolve(request.model);
  const abilities = context.transcriber.abilities(request.model);
  checkStream(request);
  const { language, languages, warnings } = chooseLanguage(request, {
    known,
    detects: abilities.detectsLanguage,
    registry: context.models,
  });
  const subtitles = request.response_format === 'srt' || request.response_format === 'vtt';
  return {
    options: {
      model: request.model,
      language,
      languages,
      prompt: request.prompt,
      temperature: request.temperature,
      keywords: request.keywords,
      words: wantsWords(request, abilities) || (subtitles && abilities.words),
      logprobs: wantsLogprobs(request, abilities),
    },
    format: request.response_format,
    render: {
      granularities: request.timestamp_granularities,
      logprobs: request.include.includes('logprobs'),
      cues: cueLimits(request),
    },
    stream: request.stream,
    warnings: [...warnings, ...shapeWarnings(request), ...fieldWarnings(request)],
  };
}

function checkStream({ stream, response_format }: TranscriptionRequest): void {
  if (!stream || (response_format !== 'srt' && response_format !== 'vtt')) return;
  throw unsupported(
    'response_format',
    `response_format ${response_format} cannot be streamed. Leave stream out, or use json.`,
  );
}

/** Refuses word times of a model that has none: their absence would change the shape of the answer. */
function wantsWords(request: TranscriptionRequest, abilities: ModelAbilities): boolean {
  if (!request.timestamp_granularities.includes('word')) return false;
  if (request.response_format !== 'verbose_json' || request.stream) return false;
  if (abilities.words) return true;
  throw unsupported(
    request.spelling('timestamp_granularities'),
    `The model '${request.model}' has no word times. Ask for timestamp_granularities[]=segment, or leave the field out.`,
  );
}

function wantsLogprobs(request: TranscriptionRequest, abilities: ModelAbilities): boolean {
  if (!request.include.includes('logprobs')) return false;
  if (request.response_format !== 'json' && !request.stream) return false;
  if (abilities.logprobs) return true;
  throw unsupported(
    request.spelling('include'),
    `The model '${request.model}' gives no log probabilities of tokens.`,
  );
}

interface LanguageChoice {
  readonly language: string | undefined;
  /** What it may be, when the model is to detect it. */
  readonly languages?: readonly string[] | undefined;
  readonly warnings: readonly string[];
}

interface ModelLanguages {
  readonly known: readonly string[];
  readonly detects: boolean;
  readonly registry: PlanContext['models'];
}

/** `language` is a command, `languages` are candidates: one of these that the model knows is enough, of several it detects one. */
function chooseLanguage(
  request: TranscriptionRequest,
  { known, detects, registry }: ModelLanguages,
): LanguageChoice {
  const { model, language } = request;
  if (language !== undefined) requireLanguage(language, { id: model, known }, registry);
  const candidates = [...new Set(request.languages?.filter((code) => code !== undefined))];
  if (candidates.length === 0) return { language, warnings: [] };
  const possible = candidates.filter((code) => findLanguage(known, code) !== undefined);
  const field = request.spelling('languages');
  if (language !== undefined)
    return { language, warnings: [`The field ${field} has no effect beside language.`] };
  if (possible.length === 0) throw noneKnown({ model, field, candidates, known, registry });
  const others = candidates.filter((code) => !possible.includes(code));
  const warnings =
    others.length > 0
      ? [
          `The model '${model}' does not know ${others.join(', ')}, named in ${field}; speech in it is not recognised.`,
        ]
      : [];
  if (possible.length === 1) return { language: possible[0], warnings };
  if (detects) return { language: undefined, languages: possible, warnings };
  const narrows = known.every((code) => possible.some((one) => findLanguage([code], one) !== undefined));
  if (!narrows)
    warnings.push(`The model '${model}' chooses among all its languages; ${field} does not narrow them.`);
  return { language: undefined, warnings };
}

interface NoneKnown {
  readonly model: string;
  readonly field: string;
  readonly candidates: readonly string[];
  readonly known: readonly string[];
  readonly registry: PlanContext['models'];
}

function noneKnown({ model, field, candidates, known, registry }: NoneKnown): StenographerError {
  const advice = adviseModels(
    ({ languages }) => candidates.some((code) => findLanguage(languages, code) !== undefined),
    registry,
  );
  return new StenographerError(
    'unsupported_language',
    `The model '${model}' ${known.length > 8 ? `knows ${known.length} languages` : `transcribes ${known.join(', ')} only`}, none of the languages in ${field}.` +
      `${advice === undefined ? '' : ` Use a model that does: ${advice}.`}`,
    { param: field },
  );
}

/** Fields that belong to another shape of answer than the one asked for. */
function shapeWarnings(request: TranscriptionRequest): string[] {
  const { response_format: format, stream, include } = request;
  const granularities = request.sent('timestamp_granularities') ? request.timestamp_granularities : [];
  const warnings: string[] = [];
  if (stream && format === 'verbose_json')
    warnings.push('A stream carries text only: response_format verbose_json has no effect on it.');
  if (granularities.length > 0 && (stream || format !== 'verbose_json'))
    warnings.push('timestamp_granularities has an effect only with response_format verbose_json.');
  if (include.includes('logprobs') && format !== 'json' && !stream)
    warnings.push('include=logprobs has an effect only with response_format json and in streams.');
  return warnings;
}

function fieldWarnings(request: TranscriptionRequest): string[] {
  return [
    ...unusedFieldWarnings(request.unused, `with the model '${request.model}'`),
    ...cueWarnings(request),
    ...unknownFieldWarnings(request.unknown),
  ];
}

function unsupported(param: string, message: string): InvalidRequestError {
  return new InvalidRequestError(param, message, 'unsupported_value');
}
