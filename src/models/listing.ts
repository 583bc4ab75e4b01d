import { bytesOf, type ModelEntry } from './catalog.ts';
import { abilitiesOf, type EngineAbilities, type ListedModel, type ModelState } from './listed-model.ts';
import type { ModelName, ModelRegistry } from './registry.ts';

export interface ModelListing {
  /** Names that a request may use now. */
  usable(): readonly ListedModel[];
  /** Names of models that can be downloaded. */
  downloadable(): readonly ListedModel[];
  /** One of either, or undefined. */
  find(name: string): ListedModel | undefined;
}

/** A public name and what it stands for. */
export interface ServedElsewhere {
  readonly name: string;
  readonly created: number;
  readonly ownedBy: string;
  /** Ids of what is tried, in order: a local model's, or `upstream/model`. */
  readonly targets: readonly string[];
  /** The local model that is tried first; undefined where another service is. */
  readonly firstLocal?: string;
}

export interface ModelListingOptions {
  readonly registry: ModelRegistry;
  /** What the engine that runs it can do. */
  readonly capabilitiesOf: (model: ModelEntry) => EngineAbilities;
  /** The state in memory of an installed model. */
  readonly loadState: (id: string) => {
    readonly state: 'loaded' | 'loading' | 'ready' | 'failed';
    readonly reason?: string;
  };
  /** Whether a download of it runs. */
  readonly isDownloading?: (id: string) => boolean;
  /** Bytes of an installed model. */
  readonly installedBytes?: (id: string) => number | undefined;
  /** Names that win over those of the registry. */
  readonly routes?: () => readonly ServedElsewhere[];
}

/** Everything `GET /v1/models` shows, asked anew on each call. */
export function createModelListing(options: ModelListingOptions): ModelListing {
  const { registry, routes = () => [] } = options;
  const routed = (): ReadonlyMap<string, ServedElsewhere> =>
    new Map(routes().map((route) => [route.name, route]));
  const local = (name: string, model: ModelEntry): ListedModel => ({
    name,
    created: model.created,
    ownedBy: model.ownedBy,
    ...stateOf(options, model.id),
    model,
    abilities: abilitiesOf(options.capabilitiesOf(model)),
    sizeBytes: options.installedBytes?.(model.id) ?? bytesOf(model),
  });
  const behind = (route: ServedElsewhere): ListedModel => {
    const { name, created, ownedBy, targets, firstLocal } = route;
    const model = firstLocal === undefined ? undefined : registry.known(firstLocal);
    const isHere = model !== undefined && registry.isInstalled(model.id);
    return model !== undefined && (isHere || targets.length === 1)
      ? { ...local(name, model), ...(targets.length > 1 ? { targets } : {}) }
      : { name, created, ownedBy, state: 'upstream', targets };
  };
  /** Local names and routes, those that are here or those that are not. */
  const select = (names: readonly ModelName[], isWanted: (model: ListedModel) => boolean) => {
    const elsewhere = routed();
    const here = names.filter(({ name }) => !elsewhere.has(name));
    return [
      ...here.map(({ name, model }) => local(name, model)),
      ...[...elsewhere.values()].map(behind).filter(isWanted),
    ];
  };
  return {
    usable: () => select(registry.list(), ({ state }) => !isAbsent(state)),
    downloadable: () =>
      select(
        registry.listKnown().filter(({ model }) => !registry.isInstalled(model.id)),
        ({ state }) => isAbsent(state),
      ),
    find(name) {
      const route = routed().get(name);
      if (route !== undefined) return behind(route);
      const model = registry.known(name);
      return model === undefined ? undefined : local(name, model);
    },
  };
}

/** Whether a request with this name would be answered 404. */
function isAbsent(state: ModelState): boolean {
  return state === 'downloadable' || state === 'downloading';
}

function stateOf(
  { registry, loadState, isDownloading }: ModelListingOptions,
  id: string,
): { readonly state: ModelState; readonly reason?: string } {
  if (registry.isInstalled(id)) return loadState(id);
  return { state: isDownloading?.(id) === true ? 'downloading' : 'downloadable' };
}
