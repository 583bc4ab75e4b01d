import type { Capabilities } from '../engines/engine.ts';
import { UnsupportedLanguageError } from '../errors.ts';
import { findLanguage } from '../formats/language-names.ts';
import { adviseModels } from '../models/advise.ts';
import type { ModelEntry } from '../models/catalog.ts';
import type { ModelRegistry } from '../models/registry.ts';

/**
 * How the language of a recording comes about: `known` from the caller or because the model has only one; `detected` by an engine that
 * tells it; `untold` by one that does not.
 */
export type LanguageChoice =
  | { readonly kind: 'known'; readonly code: string }
  | { readonly kind: 'detected'; readonly candidates: readonly string[] }
  | { readonly kind: 'untold' };

export interface WantedLanguage {
  readonly language?: string | undefined;
  readonly languages?: readonly string[] | undefined;
}

/** Codes are in the model's own spelling. Throws UnsupportedLanguageError for a language that the model does not know. */
export function chooseLanguage(
  { language, languages = [] }: WantedLanguage,
  { id, languages: known }: ModelEntry,
  { detectsLanguage }: Capabilities,
  registry: Pick<ModelRegistry, 'list' | 'listKnown'>,
): LanguageChoice {
  if (language !== undefined)
    return { kind: 'known', code: requireLanguage(language, { id, known }, registry) };
  const only = known.length === 1 ? known[0] : undefined;
  if (only !== undefined) return { kind: 'known', code: only };
  const candidates = languages.flatMap((code) => findLanguage(known, code) ?? []);
  return detectsLanguage ? { kind: 'detected', candidates } : { kind: 'untold' };
}

/** The model's spelling of a language. `id` is the name that the caller used. Throws UnsupportedLanguageError, which names models that know it. */
export function requireLanguage(
  language: string,
  { id, known }: { readonly id: string; readonly known: readonly string[] },
  registry: Pick<ModelRegistry, 'list' | 'listKnown'>,
): string {
  const code = findLanguage(known, language);
  if (code !== undefined) return code;
  const knows = ({ languages }: ModelEntry) => findLanguage(languages, language) !== undefined;
  throw new UnsupportedLanguageError(language, id, known, adviseModels(knows, registry));
}
