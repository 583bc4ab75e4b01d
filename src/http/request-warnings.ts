import type { ResponseFormat } from '../formats/response-format.ts';
import { CUE_FIELD_NAMES } from './schemas/audio-fields.ts';

const MAXIMUM_UNKNOWN = 8;

/** Fields that were sent and change nothing, in words for the caller. */
export function unusedFieldWarnings(names: readonly string[], where: string): string[] {
  return names.map((name) => `The field ${name} has no effect ${where}.`);
}

interface SubtitleRequest {
  readonly response_format: ResponseFormat;
  sent(field: string): boolean;
}

/** Limits of subtitles for an answer that has none. */
export function cueWarnings(request: SubtitleRequest): string[] {
  const names = CUE_FIELD_NAMES.filter((name) => request.sent(name));
  if (names.length === 0 || request.response_format === 'srt' || request.response_format === 'vtt') return [];
  return [`${names.join(', ')}: only with response_format srt and vtt.`];
}

/** Fields that nobody knows are ignored, as at OpenAI; a misspelt one is at least seen. */
export function unknownFieldWarnings(names: readonly string[]): string[] {
  const shown = names.slice(0, MAXIMUM_UNKNOWN).map((name) => name.replace(/[^\w.[\]-]/g, '?').slice(0, 40));
  if (shown.length === 0) return [];
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : '';
  return [`Unknown fields were ignored: ${shown.join(', ')}${more}.`];
}

/** `x-steno-warning`, once a warning, printable ASCII only; nothing when there are none. */
export function warningHeaders(warnings: readonly string[]): Record<string, string[]> {
  if (warnings.length === 0) return {};
  return {
    'x-steno-warning': warnings.map((warning) => warning.replace(/[^\x20-\x7e]/g, '?').slice(0, 500)),
  };
}
