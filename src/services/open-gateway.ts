import { type Config, readProxyEnvironment, readUpstreamKeys } from '../config.ts';
import type { ModelRegistry } from '../models/registry.ts';
import type { Store } from '../store/store.ts';
import { createGateway, type Gateway } from '../upstream/gateway.ts';

export interface GatewayParts {
  readonly models: ModelRegistry;
  /** Asked when something is to be sent. */
  readonly store: () => Store;
  /** Where the keys of upstreams and the proxies are. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The services that the configuration names, and the routes to them. Throws ConfigError for what the operator must mend. */
export function openGateway({ upstreams, routes, aliases }: Config, parts: GatewayParts): Gateway {
  return createGateway({
    upstreams,
    routes,
    aliases,
    apiKeys: readUpstreamKeys(upstreams, parts.environment),
    proxies: readProxyEnvironment(parts.environment),
    knownModel: parts.models.known,
    usedSeconds: (name, day) =>
      parts
        .store()
        .sumUsage({ fromDay: day, toDay: day })
        .filter(({ model }) => model.startsWith(`${name}/`))
        .reduce((sum, { audioMs }) => sum + audioMs / 1000, 0),
  });
}
