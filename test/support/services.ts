import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config.ts';
import { createLogger } from '../../src/logger.ts';
import { createServices, type Services } from '../../src/services.ts';

export interface TestServices extends AsyncDisposable {
  readonly services: Services;
  /** The data folder; gone after disposal. */
  readonly dataDir: string;
}

/** The real parts with the bundled model, in a data folder of their own. Flags are settings by name. */
export async function startTestServices(
  flags: Readonly<Record<string, unknown>> = {},
): Promise<TestServices> {
  const dataDir = await mkdtemp(join(tmpdir(), 'steno-data-'));
  const config = loadConfig({ flags: { dataDir, port: 0, ...flags } });
  const services = await createServices(config, { logger: createLogger('silent') });
  return {
    services,
    dataDir,
    async [Symbol.asyncDispose]() {
      await services.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
