import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { ConfigError } from '../errors.ts';
import { type Accounts, createAccounts } from '../store/accounts.ts';
import { createMemoryStore } from '../store/memory-store.ts';
import { Retention } from '../store/retention.ts';
import { openDataStore } from '../store/sqlite/open-store.ts';
import { lockDataFolder } from '../store/sqlite/server-lock.ts';
import type { KeyLimits } from '../store/store.ts';

/** What applies to keys without limits of their own. */
export function limitsForAll(config: Config): KeyLimits {
  return {
    requestsPerMinute: config.rateLimitPerMinute,
    audioSecondsPerDay: config.quotaSecondsPerDay,
    audioSecondsPerMonth: config.quotaSecondsPerMonth,
  };
}

/** Keys and usage, in the data folder for one server alone or in memory. Throws ConfigError for what the operator must mend. */
export async function openAccounts(
  config: Config,
  logger: Logger,
  kind: 'file' | 'memory',
): Promise<Accounts> {
  const configuredKeys = [...config.apiKeys, ...(await readKeysFile(config.apiKeysFile))];
  const shared = {
    configuredKeys,
    limits: limitsForAll(config),
    onUnwritten: (error: unknown, rows: number) =>
      logger.error({ err: error, rows }, 'usage cannot be written now and is tried again'),
  };
  if (kind === 'memory')
    return createAccounts({ ...shared, store: createMemoryStore(), pepper: randomBytes(32) });
  const lock = await lockDataFolder(config.dataDir);
  try {
    const accounts = createAccounts({ ...shared, ...(await openDataStore(config.dataDir)) });
    const retention = keepUsage(accounts, config, logger);
    return {
      ...accounts,
      close() {
        retention?.stop();
        accounts.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function keepUsage({ store }: Accounts, config: Config, logger: Logger): Retention | undefined {
  if (config.usageRetentionDays === 0) return undefined;
  return new Retention({
    store,
    days: config.usageRetentionDays,
    onSweep: ({ day, keys, error }) => {
      if (error === undefined) logger.info({ before: day, keys }, 'old usage and revoked keys were deleted');
      else logger.error({ err: error }, 'old usage cannot be deleted now and is tried again');
    },
  });
}

async function readKeysFile(path: string | undefined): Promise<string[]> {
  if (path === undefined) return [];
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new ConfigError(`The key file of STENO_API_KEYS_FILE cannot be read: ${error.message}`);
  });
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
}
