import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { Command } from 'commander';
import type { Config } from '../../config.ts';
import { ConfigError } from '../../errors.ts';
import { type RunningServer, startServer } from '../../http/server.ts';
import { createServices, type Services } from '../../services.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { describeError } from '../output.ts';

/** After the grace time connections are cut and children ended; what hangs even then is left to die with the process. */
const CLOSE_MARGIN_SECONDS = 10;

/** Loading takes about a second; a start that takes much longer is reported as it is. */
const READY_WAIT_MS = 30_000;

export function addServeCommand(program: Command, version: string): void {
  const command = program.command('serve').description('Serve the HTTP API until SIGTERM or Ctrl-C');
  addConfigFlags(command).action((flags: Record<string, unknown>) => serve(configFrom(flags), version));
}

interface Running {
  readonly services: Services;
  readonly server: RunningServer;
}

/**
 * Listens at once and says so when the models are loaded, so that the first request works. The first signal drains: new work is
 * refused, running requests get the grace time, exit code 0. A second one ends at once.
 */
async function serve(config: Config, version: string): Promise<void> {
  const starting = start(config);
  closeWithGrace(
    { delay: (config.graceSeconds + CLOSE_MARGIN_SECONDS) * 1000, logger: console },
    async ({ err }) => {
      if (err !== undefined) process.stderr.write(`steno: ${describeError(err)}\n`);
      const running = await starting.catch(() => undefined);
      await running?.server.close();
      await running?.services.close();
    },
  );
  const { server, services } = await starting;
  await untilReady(services);
  const { ready, reason, ffmpeg } = services.readiness();
  if (!ready)
    process.stderr.write(`steno: not ready yet (${reason}); GET ${server.url}/readyz tells when it is\n`);
  const notice = ffmpeg.available ? undefined : ffmpeg.hint;
  process.stderr.write(
    startLines({ url: server.url, version, keysRequired: services.keys.required, notice }),
  );
}

async function untilReady(services: Services): Promise<void> {
  const end = Date.now() + READY_WAIT_MS;
  while (!services.readiness().ready && Date.now() < end) await sleep(20);
}

async function start(config: Config): Promise<Running> {
  const services = await createServices(config, { background: true });
  try {
    return { services, server: await startServer(services) };
  } catch (error) {
    await services.close();
    throw listenError(error, config) ?? error;
  }
}

function listenError(error: unknown, { host, port }: Config): ConfigError | undefined {
  const reason = {
    EADDRINUSE: 'another program listens there',
    EACCES: 'this user may not listen there',
    EADDRNOTAVAIL: 'this machine does not have that address',
    ENOTFOUND: 'the name of the host is not known',
  }[(error as NodeJS.ErrnoException).code ?? ''];
  if (reason === undefined) return undefined;
  return new ConfigError(
    `Cannot listen on ${host}:${port}: ${reason}. Choose another with --host and --port (STENO_HOST, STENO_PORT).`,
  );
}

export interface StartFacts {
  readonly url: string;
  readonly version: string;
  readonly keysRequired: boolean;
  /** Why ffmpeg cannot be used, when it cannot. */
  readonly notice?: string | undefined;
}

/** What a person sees first: where it listens and a request to try. Goes to stderr, stdout is for log lines. */
export function startLines({ url, version, keysRequired, notice }: StartFacts): string {
  const key = keysRequired ? '-H "Authorization: Bearer YOUR_KEY" ' : '';
  const file = notice === undefined ? 'recording.mp3' : 'recording.wav';
  const lines = [
    `Stenographer ${version} listens on ${url}`,
    `Try: curl ${url}/v1/audio/transcriptions ${key}-F model=whisper-1 -F file=@${file}`,
  ];
  if (notice !== undefined) lines.push(`Only WAV files for now. ${notice}`);
  return `${lines.join('\n')}\n`;
}
