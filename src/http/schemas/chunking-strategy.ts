import { z } from 'zod';
import { InvalidRequestError } from '../../errors.ts';
import { type FieldValues, textOf } from './form-fields.ts';

const chunkingStrategy = z.union([
  z.literal('auto'),
  z.strictObject({
    type: z.literal('server_vad'),
    prefix_padding_ms: z.coerce.number().int().min(0).optional(),
    silence_duration_ms: z.coerce.number().int().min(0).optional(),
    threshold: z.coerce.number().min(0).max(1).optional(),
  }),
]);

/**
 * Checks `chunking_strategy` in its three encodings: `auto`, a JSON object, or parts `chunking_strategy[key]`. `auto` is what we
 * always do; true when the client set a voice detector's numbers, which have no effect.
 */
export function setsVoiceDetector(groups: ReadonlyMap<string, FieldValues>): boolean {
  const whole = textOf(groups.get('chunking_strategy'));
  const keys = [...groups.keys()].flatMap((name) => /^chunking_strategy\[(\w+)\]$/.exec(name)?.[1] ?? []);
  if (keys.length === 0 && (whole === undefined || whole === 'null')) return false;
  const value =
    keys.length > 0
      ? Object.fromEntries(keys.map((key) => [key, textOf(groups.get(`chunking_strategy[${key}]`))]))
      : parseJsonObject(whole);
  const parsed = chunkingStrategy.safeParse(value);
  if (!parsed.success)
    throw new InvalidRequestError(
      'chunking_strategy',
      'The field chunking_strategy must be auto or a server_vad object.',
    );
  return parsed.data !== 'auto';
}

function parseJsonObject(text: string | undefined): unknown {
  if (text === undefined || !text.trimStart().startsWith('{')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
