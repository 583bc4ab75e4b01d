import type { AddressInfo } from 'node:net';
import { ConfigError } from '../errors.ts';
import type { Services } from '../services.ts';
import { buildApp } from './app.ts';
import { isLoopbackHost } from './loopback.ts';

export interface RunningServer {
  /** Base address without a path, as clients on this machine reach it. */
  readonly url: string;
  /**
   * Drains: new work is refused and `/readyz` says so, running requests get the grace time, then connections are cut. The services
   * themselves stay open; closing them is the caller's next step.
   */
  close(): Promise<void>;
}

/** Listens as configured. Throws ConfigError for an address that others could reach without a key. */
export async function startServer(services: Services): Promise<RunningServer> {
  const { config, keys, logger } = services;
  if (!keys.required && !isLoopbackHost(config.host) && !config.allowNoKeys)
    throw new ConfigError(
      `Without API keys the server listens only on loopback, not on ${config.host}. Make a key with "steno keys create", set ` +
        'STENO_API_KEYS or STENO_API_KEYS_FILE, or set STENO_ALLOW_NO_KEYS=true to serve everybody who can reach it.',
    );
  const app = await buildApp(services);
  await app.listen({ host: bindAddress(config.host), port: config.port });
  const url = addressUrl(config.host, app.server.address() as AddressInfo);

  let closing: Promise<void> | undefined;
  return {
    url,
    close() {
      closing ??= close();
      return closing;
    },
  };

  async function close(): Promise<void> {
    services.drain();
    const finished = await within(services.admission.idle(), config.graceSeconds * 1000);
    if (!finished)
      logger.warn({ running: services.admission.size }, 'grace time is over, cutting connections');
    const closed = app.close();
    // Idle keep-alive connections close by themselves; whatever else is open has had its time.
    if (!finished) app.server.closeAllConnections();
    if (!(await within(closed, 1000))) app.server.closeAllConnections();
    await closed;
  }
}

/** For the name `localhost` fastify would run a second server on ::1, which knows nothing of our handlers. */
function bindAddress(host: string): string {
  return host.toLowerCase() === 'localhost' ? '127.0.0.1' : host;
}

function addressUrl(host: string, { port }: AddressInfo): string {
  const wildcard = host === '0.0.0.0' || host === '::';
  const name = wildcard ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

async function within(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false);
  });
  try {
    return await Promise.race([promise.then(() => true as const), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
