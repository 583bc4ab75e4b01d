import { tmpdir } from 'node:os';
import { relative, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { Config } from '../../config.ts';
import { ConfigError } from '../../errors.ts';
import { createStoredKey } from '../../store/api-key.ts';
import { openDataStore } from '../../store/sqlite/open-store.ts';
import type { KeyLimits, KeyRow } from '../../store/store.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';
import { formatTable } from '../table.ts';

interface CreateFlags {
  readonly name?: string;
  readonly admin?: boolean;
  readonly rpm?: number;
  readonly audioSecondsDay?: number;
  readonly audioSecondsMonth?: number;
}

/** Keys are read and written in the data folder, also while a server runs on it. */
export function addKeysCommand(program: Command, finish: (code: ExitCode) => void): void {
  const keys = program
    .command('keys')
    .description('Make, list and revoke API keys; the server may be running');
  const create = keys
    .command('create')
    .description('Make a key and print it; it is not stored and cannot be shown again')
    .option('-n, --name <name>', 'what it is for, in your words', '')
    .option('--admin', 'may also read /metrics and the usage of all keys')
    .option(
      '--rpm <number>',
      'transcription requests a minute; 0 lifts the limit of the settings',
      parseLimit,
    )
    .option('--audio-seconds-day <number>', 'seconds of audio a UTC day; 0 lifts the quota', parseLimit)
    .option('--audio-seconds-month <number>', 'seconds of audio a UTC month; 0 lifts the quota', parseLimit);
  addConfigFlags(create, ['dataDir']).action(async (flags: CreateFlags) => {
    await createKey(flags, configFrom({ ...flags }));
    finish(EXIT_CODES.ok);
  });
  const list = keys.command('list').description('List keys; the keys themselves are not known here');
  addConfigFlags(list, ['dataDir']).action(async (flags: Record<string, unknown>) => {
    await listKeys(configFrom(flags));
    finish(EXIT_CODES.ok);
  });
  const revoke = keys
    .command('revoke')
    .description('Revoke keys by id; a running server refuses them at once')
    .argument('<id...>', 'ids of steno keys list');
  addConfigFlags(revoke, ['dataDir']).action(async (ids: string[], flags: Record<string, unknown>) => {
    await revokeKeys(ids, configFrom(flags));
    finish(EXIT_CODES.ok);
  });
}

function parseLimit(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number, 0 or more.');
  return Number(text);
}

async function createKey(flags: CreateFlags, { dataDir }: Config): Promise<void> {
  const data = await openDataStore(dataDir);
  try {
    const limits: KeyLimits = {
      requestsPerMinute: flags.rpm,
      audioSecondsPerDay: flags.audioSecondsDay,
      audioSecondsPerMonth: flags.audioSecondsMonth,
    };
    const name = printable(flags.name ?? '');
    const { key, row } = createStoredKey(
      { name, scope: flags.admin === true ? 'admin' : 'user', limits },
      data,
    );
    process.stderr.write(
      `Made ${row.scope} key ${row.id} in ${dataDir}. This is the only time the key is shown:\n`,
    );
    process.stdout.write(`${key}\n`);
    if (isTemporary(dataDir))
      process.stderr.write(
        'This folder is a temporary one and may be emptied. Set STENO_DATA_DIR to a lasting one, for the server too.\n',
      );
  } finally {
    data.store.close();
  }
}

async function listKeys({ dataDir }: Config): Promise<void> {
  const { store } = await openDataStore(dataDir);
  const rows = store.listKeys();
  store.close();
  if (rows.length === 0) {
    process.stderr.write(`There are no keys in ${dataDir}. Make one with: steno keys create\n`);
    return;
  }
  const head = ['id', 'name', 'scope', 'created', 'revoked', 'rpm', 's/day', 's/month'];
  process.stdout.write(formatTable([head, ...rows.map(describeKey)]));
}

function describeKey(row: KeyRow): string[] {
  return [
    row.id,
    row.name,
    row.scope,
    dateOf(row.createdMs),
    dateOf(row.revokedMs),
    limitText(row.requestsPerMinute),
    limitText(row.audioSecondsPerDay),
    limitText(row.audioSecondsPerMonth),
  ];
}

async function revokeKeys(ids: readonly string[], { dataDir }: Config): Promise<void> {
  const { store } = await openDataStore(dataDir);
  try {
    const unknown = ids.filter((id) => {
      const revoked = store.revokeKey(id, Date.now());
      if (revoked) process.stderr.write(`Revoked ${printable(id)}.\n`);
      return !revoked;
    });
    if (unknown.length > 0)
      throw new ConfigError(
        `No active key has the id ${unknown.map(printable).join(', ')}. steno keys list shows what there is.`,
      );
  } finally {
    store.close();
  }
}

function isTemporary(path: string): boolean {
  return !relative(tmpdir(), resolve(path)).startsWith('..');
}

function dateOf(ms: number | undefined): string {
  return ms === undefined ? '-' : new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
}

/** `-`: what the settings say. */
function limitText(limit: number | undefined): string {
  if (limit === undefined) return '-';
  return limit === 0 ? 'none' : String(limit);
}

function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?').slice(0, 80);
}
