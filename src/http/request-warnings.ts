import { InvalidRequestError } from '../errors.ts';
import type { TranscriptionRequest } from './schemas/transcription.ts';

/** What the models behind the endpoint can do; requests for more are refused. */
export interface HttpCapabilities {
  readonly wordTimes: boolean;
}

/** Refuses what cannot be honoured and would change the shape of the answer. */
export function checkCapabilities(fields: TranscriptionRequest, { wordTimes }: HttpCapabilities): void {
  const verbose = fields.response_format === 'verbose_json';
  if (verbose && fields.timestamp_granularities.includes('word') && !wordTimes)
    throw unsupported(
      fields.spelling('timestamp_granularities'),
      `The model '${fields.model}' has no word times. Ask for timestamp_granularities[]=segment, or leave the field out.`,
    );
  if (fields.include.includes('logprobs'))
    throw unsupported(
      fields.spelling('include'),
      `The model '${fields.model}' gives no log probabilities of tokens.`,
    );
  if (fields.stream && (fields.response_format === 'srt' || fields.response_format === 'vtt'))
    throw unsupported(
      'response_format',
      `response_format ${fields.response_format} cannot be streamed. Leave stream out, or use json.`,
    );
}

/** What is left aside without harm, in words for the caller. */
export function requestWarnings(fields: TranscriptionRequest): string[] {
  const warnings = fields.unused.map(
    (name) => `The field ${name} has no effect with the model '${fields.model}'.`,
  );
  if (fields.response_format !== 'verbose_json' && fields.timestamp_granularities.includes('word'))
    warnings.push('timestamp_granularities has an effect only with response_format verbose_json.');
  return warnings;
}

/** `x-steno-warning`, once a warning, printable ASCII only; nothing when there are none. */
export function warningHeaders(warnings: readonly string[]): Record<string, string[]> {
  if (warnings.length === 0) return {};
  return {
    'x-steno-warning': warnings.map((warning) => warning.replace(/[^\x20-\x7e]/g, '?').slice(0, 500)),
  };
}

function unsupported(param: string, message: string): InvalidRequestError {
  return new InvalidRequestError(param, message, 'unsupported_value');
}
