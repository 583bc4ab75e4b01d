import { type Client, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';
import { ConfigError } from '../errors.ts';

/** Proxies by the scheme of the service's URL, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say it. */
export interface ProxyOptions {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  /** Hosts that are reached directly, comma separated; with their subdomains. `*`: all. */
  readonly noProxy?: string | undefined;
}

type ConnectionLimits = Omit<Client.Options, 'connect'> & {
  readonly connections: number;
  readonly connect: { readonly timeout: number };
};

/**
 * Connections to a service through the proxy that is meant for it, by CONNECT, so that the proxy of an https service sees neither key nor
 * recording. Undefined where none is: without proxies, and for this machine itself, which for a proxy is another one. Throws ConfigError
 * for what is no proxy's URL.
 */
export function openProxies(
  url: URL,
  { httpProxy, httpsProxy, noProxy = '' }: ProxyOptions,
  limits: ConnectionLimits,
): Dispatcher | undefined {
  const proxy = url.protocol === 'https:' ? httpsProxy : httpProxy;
  if (proxy === undefined || isLoopback(url.hostname)) return undefined;
  if (!isProxyUrl(proxy)) throw noProxyUrl();
  const { connect } = limits;
  try {
    return new EnvHttpProxyAgent({
      ...limits,
      // The one for this service's scheme, and never absent: then the agent reads the environment by itself.
      httpProxy: proxy,
      httpsProxy: proxy,
      noProxy,
      proxyTls: connect,
      requestTls: connect,
      // A proxy that takes the connection and then says nothing is not waited for longer than a connection is.
      clientFactory: (origin, options) => new Pool(origin, { ...options, headersTimeout: connect.timeout }),
    });
  } catch {
    throw noProxyUrl();
  }
}

function isProxyUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

/** The value may hold a password: it is not shown. */
function noProxyUrl(): ConfigError {
  return new ConfigError(
    'HTTPS_PROXY, HTTP_PROXY and ALL_PROXY must be http:// or https:// URLs of proxies, such as http://proxy.example:3128.',
  );
}

function isLoopback(host: string): boolean {
  return /^(?:localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host);
}
