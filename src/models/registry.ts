import { ConfigError, ModelNotFoundError, ModelNotInstalledError } from '../errors.ts';
import type { ModelEntry } from './catalog.ts';

/** One name that can stand in a request's `model` field. */
export interface ModelName {
  readonly name: string;
  readonly model: ModelEntry;
}

/** Names of local models. Asks anew on each call, so that a download or a removal counts at once. */
export interface ModelRegistry {
  /** Every usable name: ids first, then aliases. */
  list(): readonly ModelName[];
  /** The same with the models that are not here. */
  listKnown(): readonly ModelName[];
  /** The model of an id or alias, installed or not. */
  known(name: string): ModelEntry | undefined;
  isInstalled(id: string): boolean;
  /** Resolves an id or alias. Throws ModelNotInstalledError for a model that can be downloaded, ModelNotFoundError with the names there are. */
  resolve(name: string): ModelEntry;
}

export interface ModelRegistryOptions {
  /** Models that may be used or downloaded; a function where they change. */
  readonly models: readonly ModelEntry[] | (() => readonly ModelEntry[]);
  /** Those of `models` that never change: names of theirs are found without asking for the others. Default none. */
  readonly lasting?: readonly ModelEntry[];
  /** Configured names; they win over the catalogue's. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Whether a model's files are here. Default: all are. */
  readonly isInstalled?: (id: string) => boolean;
  /** Names that are served elsewhere: an alias may mean them, and who asks for a name that is not there is told of them. */
  readonly servedElsewhere?: readonly string[];
}

/** Throws ConfigError for a configured alias that leads nowhere. */
export function createModelRegistry(options: ModelRegistryOptions): ModelRegistry {
  const { aliases = {}, isInstalled = () => true, servedElsewhere = [], lasting = [] } = options;
  const models = () => (typeof options.models === 'function' ? options.models() : options.models);
  const namesOf = (entries: readonly ModelEntry[]): ReadonlyMap<string, ModelEntry> => {
    const byId = new Map(entries.map((model) => [model.id, model]));
    const all = new Map(byId);
    for (const model of byId.values()) for (const alias of model.aliases) all.set(alias, model);
    for (const [alias, target] of Object.entries(aliases)) {
      const model = byId.get(target);
      if (model === undefined) all.delete(alias);
      else all.set(alias, model);
    }
    return all;
  };
  const lastingNames = namesOf(lasting);
  const find = (name: string) => lastingNames.get(name) ?? namesOf(models()).get(name);
  refuseDangling(aliases, models(), servedElsewhere);
  const listKnown = () => [...namesOf(models())].map(([name, model]) => ({ name, model }));
  const list = () => listKnown().filter(({ model }) => isInstalled(model.id));
  return {
    list,
    listKnown,
    known: find,
    isInstalled,
    resolve(name) {
      const model = find(name);
      if (model === undefined)
        throw new ModelNotFoundError(name, [
          ...new Set([...list().map((usable) => usable.name), ...servedElsewhere]),
        ]);
      if (!isInstalled(model.id)) throw new ModelNotInstalledError(name, model.id);
      return model;
    },
  };
}

function refuseDangling(
  aliases: Readonly<Record<string, string>>,
  models: readonly ModelEntry[],
  servedElsewhere: readonly string[],
): void {
  const ids = models.map(({ id }) => id);
  for (const [alias, target] of Object.entries(aliases))
    if (!ids.includes(target) && !servedElsewhere.includes(target))
      throw new ConfigError(
        `The alias ${alias} names the model ${target}, which is none of ${ids.join(', ')}.`,
      );
}
