import type { ModelEntry } from '../models/catalog.ts';
import type { BreakerState } from './circuit-breaker.ts';
import type { ProxyOptions } from './proxy.ts';
import { createRoutes, type Route } from './routes.ts';
import { createUpstream, type Upstream } from './upstream.ts';
import type { UpstreamOptions } from './upstream-options.ts';

/** A routed name as model lists show it. */
export interface RoutedModel {
  readonly name: string;
  readonly created: number;
  /** The upstream of the first target, or of the first that is none of this server's. */
  readonly ownedBy: string;
  readonly targets: readonly string[];
  /** The local model that is asked first, if one is. */
  readonly firstLocal?: string;
  /** Of that upstream; undefined for a route within this server. */
  readonly breaker: BreakerState | undefined;
}

/** Which models are served elsewhere, and the services that do. */
export interface Gateway {
  readonly upstreams: readonly Upstream[];
  /** Whether any request may be served by another service. */
  readonly leadsElsewhere: boolean;
  /** The route of a public model name or of an alias for one. */
  route(name: string): Route | undefined;
  list(): readonly RoutedModel[];
  /** Ends all connections. */
  close(): Promise<void>;
}

export interface GatewayOptions {
  readonly upstreams: Readonly<Record<string, UpstreamOptions>>;
  readonly routes: Readonly<Record<string, readonly string[]>>;
  readonly aliases?: Readonly<Record<string, string>>;
  /** Keys by upstream. */
  readonly apiKeys: ReadonlyMap<string, string>;
  /** Default: none. */
  readonly proxies?: ProxyOptions;
  readonly knownModel: (name: string) => ModelEntry | undefined;
  /** Seconds of audio that an upstream has had on a UTC day. */
  readonly usedSeconds?: (upstream: string, day: string) => number;
}

/** Throws ConfigError for routes that lead nowhere, and for proxies that are none. */
export function createGateway(options: GatewayOptions): Gateway {
  const { usedSeconds, aliases = {}, proxies = {} } = options;
  const upstreams = new Map(
    Object.entries(options.upstreams).map(([name, upstream]) => [
      name,
      createUpstream(name, upstream, {
        apiKey: options.apiKeys.get(name),
        proxies,
        ...(usedSeconds === undefined ? {} : { usedSeconds: (day) => usedSeconds(name, day) }),
      }),
    ]),
  );
  const routes = createRoutes(options.routes, { upstreams, knownModel: options.knownModel });
  const startedSecond = Math.floor(Date.now() / 1000);
  const names = (): ReadonlyMap<string, Route> => {
    const all = new Map(routes);
    for (const [alias, name] of Object.entries(aliases)) {
      const route = routes.get(name);
      if (route !== undefined && !all.has(alias)) all.set(alias, route);
    }
    return all;
  };
  return {
    upstreams: [...upstreams.values()],
    leadsElsewhere: [...routes.values()].some(({ targets }) =>
      targets.some(({ kind }) => kind === 'upstream'),
    ),
    route: (name) => routes.get(name) ?? routes.get(aliases[name] ?? ''),
    list: () => [...names()].map(([name, route]) => describe({ ...route, name }, startedSecond)),
    async close() {
      await Promise.all([...upstreams.values()].map((upstream) => upstream.close()));
    },
  };
}

function describe({ name, targets }: Route, created: number): RoutedModel {
  const remote = targets.find((target) => target.kind === 'upstream');
  const [first] = targets;
  return {
    name,
    created,
    ownedBy: remote?.upstream.name ?? 'stenographer',
    targets: targets.map(({ id }) => id),
    ...(first?.kind === 'local' ? { firstLocal: first.id } : {}),
    breaker: remote?.upstream.breaker,
  };
}
