import { ConfigError } from '../errors.ts';
import type { ModelEntry } from '../models/catalog.ts';
import type { Upstream } from './upstream.ts';

/** One place that may serve a request. */
export type Target =
  | { readonly kind: 'local'; readonly id: string }
  | {
      readonly kind: 'upstream';
      /** `upstream/model`. */
      readonly id: string;
      readonly upstream: Upstream;
      /** The model's name there. */
      readonly model: string;
    };

/** A public model name and where it is served, in the order of the attempts. */
export interface Route {
  readonly name: string;
  readonly targets: readonly Target[];
}

export interface RouteParts {
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** A local model's id or alias, installed or not. */
  readonly knownModel: (name: string) => ModelEntry | undefined;
}

/** Routes by name. Throws ConfigError for a target that is neither an upstream's nor a local model. */
export function createRoutes(
  routes: Readonly<Record<string, readonly string[]>>,
  parts: RouteParts,
): ReadonlyMap<string, Route> {
  return new Map(
    Object.entries(routes).map(([name, targets]) => [
      name,
      { name, targets: targets.map((target) => readTarget(target, name, parts)) },
    ]),
  );
}

function readTarget(target: string, route: string, { upstreams, knownModel }: RouteParts): Target {
  const slash = target.indexOf('/');
  const upstream = slash < 0 ? undefined : upstreams.get(target.slice(0, slash));
  const model = target.slice(slash + 1);
  if (upstream !== undefined && model !== '') return { kind: 'upstream', id: target, upstream, model };
  const local = knownModel(target);
  if (local !== undefined) return { kind: 'local', id: local.id };
  const names = [...upstreams.keys()];
  throw new ConfigError(
    `routes: the target ${target} of ${route} is no model of this server, and ${
      names.length === 0
        ? 'no upstreams are configured'
        : `does not begin with the name of an upstream and a slash (there are: ${names.join(', ')})`
    }.`,
  );
}
