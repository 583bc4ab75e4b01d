import { InvalidRequestError } from '../../errors.ts';
import type { FormField } from '../upload.ts';

/** All values of one field, under its bare name. */
export interface FieldValues {
  /** As the client spelled it, for error messages. */
  readonly spelling: string;
  /** In the order sent, empty ones left out. */
  readonly values: readonly string[];
  /** Whether one of them came as a file. */
  readonly isFile: boolean;
}

/**
 * Groups form fields by bare name: `x`, `x[]` and `x[0]` are the same field, `x[key]` is one of its own. An empty value counts as
 * absent, because some clients always send every field.
 */
export function groupFields(fields: readonly FormField[]): ReadonlyMap<string, FieldValues> {
  const groups = new Map<string, { spelling: string; values: string[]; isFile: boolean }>();
  for (const { name, value, isFile = false } of fields) {
    if (value === '' && !isFile) continue;
    const bare = name.replace(/\[\d*\]$/, '');
    if (value.includes('\0'))
      throw new InvalidRequestError(bare, `The field ${bare} must not contain NUL characters.`);
    const group = groups.get(bare) ?? { spelling: name.replace(/\[\d+\]$/, '[]'), values: [], isFile };
    group.isFile ||= isFile;
    if (!isFile) group.values.push(value);
    groups.set(bare, group);
  }
  return groups;
}

/** A field with one value; of several the last one counts. */
export function textOf(field: FieldValues | undefined): string | undefined {
  return field?.values.at(-1);
}

/** A decimal number, or the text itself so that the schema refuses it. */
export function numberOf(field: FieldValues | undefined): number | string | undefined {
  const text = textOf(field)?.trim();
  if (text === undefined || !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return text;
  return Number(text);
}

/** `true`, `false`, `1` or `0` in any case, or the text itself so that the schema refuses it. */
export function booleanOf(field: FieldValues | undefined): boolean | string | undefined {
  const text = textOf(field)?.trim().toLowerCase();
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  return text;
}

/** Every value sent, or the elements of a single JSON array. A comma-joined value is one element, as at OpenAI. */
export function listOf(field: FieldValues | undefined): readonly unknown[] | undefined {
  const [first, ...more] = field?.values ?? [];
  if (first === undefined) return undefined;
  return (more.length === 0 ? jsonArray(first) : undefined) ?? [first, ...more];
}

function jsonArray(text: string): unknown[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
