import { CannotTranslateError } from '../errors.ts';
import { adviseModels } from '../models/advise.ts';
import type { AudioPlan, PlanContext } from './audio-plan.ts';
import { cueWarnings, unknownFieldWarnings, unusedFieldWarnings } from './request-warnings.ts';
import { cueLimits } from './schemas/audio-fields.ts';
import { parseTranslationFields } from './schemas/translation.ts';
import type { FormField } from './upload.ts';

/** A translation form as work to do. Throws for fields that are wrong, and for a model that cannot translate. */
export function planTranslation(fields: readonly FormField[], context: PlanContext): AudioPlan {
  const request = parseTranslationFields(fields, context);
  context.models.resolve(request.model);
  const abilities = context.transcriber.abilities(request.model);
  if (!abilities.translate)
    throw new CannotTranslateError(
      request.model,
      adviseModels((model) => model.abilities.translate, context.models),
    );
  const subtitles = request.response_format === 'srt' || request.response_format === 'vtt';
  return {
    options: {
      model: request.model,
      task: 'translate',
      prompt: request.prompt,
      temperature: request.temperature,
      words: subtitles && abilities.words,
    },
    format: request.response_format,
    render: { cues: cueLimits(request) },
    stream: false,
    warnings: [
      ...unusedFieldWarnings(request.unused, 'on translations'),
      ...cueWarnings(request),
      ...unknownFieldWarnings(request.unknown),
    ],
  };
}
