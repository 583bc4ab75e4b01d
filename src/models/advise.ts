import type { ModelEntry } from './catalog.ts';
import type { ModelRegistry } from './registry.ts';

/** What messages recommend to fetch, best first: the most accurate that a CPU runs well, then smaller ones and ones that translate. */
const RECOMMENDED: readonly string[] = [
  'whisper-large-v3-turbo-q5_0',
  'whisper-medium-q5_0',
  'whisper-small-q5_1',
];
const MOST_NAMES = 3;

/**
 * Models that can do what another one cannot, as the end of a sentence: `installed here: a, b` or `steno models pull a gets one`.
 * Undefined when no model that is known here can.
 */
export function adviseModels(
  wanted: (model: ModelEntry) => boolean,
  registry: Pick<ModelRegistry, 'list' | 'listKnown'>,
): string | undefined {
  const installed = candidates(registry.list(), wanted);
  if (installed.length > 0) return `installed here: ${installed.slice(0, MOST_NAMES).join(', ')}`;
  const [best, ...others] = candidates(registry.listKnown(), wanted);
  if (best === undefined) return undefined;
  const smaller = others.filter((id) => RECOMMENDED.includes(id)).at(-1);
  return `"steno models pull ${best}" gets one${smaller === undefined ? '' : ` (smaller: ${smaller})`}`;
}

/** Ids, the recommended ones first, those whose licence restricts their use last. */
function candidates(
  names: readonly { readonly model: ModelEntry }[],
  wanted: (model: ModelEntry) => boolean,
): string[] {
  const models = [...new Set(names.map(({ model }) => model))].filter(wanted);
  const rank = ({ id, restriction }: ModelEntry): number => {
    const place = RECOMMENDED.indexOf(id);
    return (place < 0 ? RECOMMENDED.length : place) + (restriction === undefined ? 0 : 100);
  };
  return models.sort((a, b) => rank(a) - rank(b)).map(({ id }) => id);
}
