import type { ModelTraits } from '../capabilities.ts';
import { MOONSHINE, MOONSHINE_ENGLISH, type MoonshineDescription } from './graphs/shape.ts';

/**
 * Text tokens a second of sound that the authors allow as a guard against loops, by language (the `token_rate` of their own package;
 * its vocabulary is made for English, so other scripts take more tokens a character).
 */
const AUTHORS_TOKENS_PER_SECOND: Readonly<Record<string, number>> = { en: 6, es: 6, uk: 8 };
const OTHER_TOKENS_PER_SECOND = 13;

/** Their guard cuts off fast readers: of the shared English clips the densest needs 6.9 (years and dates spelled out). */
const MARGIN = 1.5;

/** Text tokens allowed a second of sound in the language of a model that takes most. */
export function mostTokensPerSecond(languages: readonly string[]): number {
  const rates = languages.map((language) => AUTHORS_TOKENS_PER_SECOND[language] ?? OTHER_TOKENS_PER_SECOND);
  return MARGIN * Math.max(...rates);
}

/** Where word times come from was measured for English alone. */
export function descriptionOf({ languages, abilities }: ModelTraits): MoonshineDescription {
  if (!abilities.words) return { ...MOONSHINE, alignment: 'none' };
  return languages.length === 1 && languages[0] === 'en' ? MOONSHINE_ENGLISH : MOONSHINE;
}
