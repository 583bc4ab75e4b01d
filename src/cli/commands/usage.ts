import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../../config.ts';
import { openDataStore } from '../../store/sqlite/open-store.ts';
import { type UsageSum, utcDay } from '../../store/store.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';
import { formatTable } from '../table.ts';

interface UsageFlags {
  readonly from?: string;
  readonly to?: string;
  readonly key?: string;
  readonly format: 'table' | 'json';
}

/** What all keys have transcribed, from the data folder; the server may be running. */
export function addUsageCommand(program: Command, finish: (code: ExitCode) => void): void {
  const command = program
    .command('usage')
    .description('Show what was transcribed, by day, key and model; the server may be running')
    .option('--from <day>', 'first UTC day, YYYY-MM-DD; default the first of this month', parseDay)
    .option('--to <day>', 'last UTC day, included; default today', parseDay)
    .option('--key <id>', 'one key of steno keys list only')
    .addOption(
      new Option('-f, --format <format>', 'table or json').choices(['table', 'json']).default('table'),
    );
  addConfigFlags(command, ['dataDir']).action(async (flags: UsageFlags) => {
    await showUsage(flags, configFrom({ ...flags }));
    finish(EXIT_CODES.ok);
  });
}

function parseDay(text: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError('Expected a day as YYYY-MM-DD.');
}

async function showUsage(flags: UsageFlags, { dataDir }: Config): Promise<void> {
  const today = utcDay(Date.now());
  const { from = `${today.slice(0, 8)}01`, to = today, key: keyId } = flags;
  const { store } = await openDataStore(dataDir);
  const sums = store.sumUsage({ keyId, fromDay: from, toDay: to });
  const names = new Map(store.listKeys().map(({ id, name }) => [id, name]));
  store.close();
  process.stdout.write(flags.format === 'json' ? renderJson(sums) : renderTable(sums, names));
}

function renderJson(sums: readonly UsageSum[]): string {
  const rows = sums.map(({ day, keyId, model, requests, audioMs }) => ({
    day,
    key_id: keyId,
    model,
    requests,
    audio_seconds: audioMs / 1000,
  }));
  return `${JSON.stringify(rows, null, 2)}\n`;
}

function renderTable(sums: readonly UsageSum[], names: ReadonlyMap<string, string>): string {
  const rows = sums.map(({ day, keyId, model, requests, audioMs }) => [
    day,
    keyId,
    names.get(keyId) ?? '',
    model,
    String(requests),
    (audioMs / 1000).toFixed(3),
  ]);
  const requests = sums.reduce((sum, row) => sum + row.requests, 0);
  const seconds = sums.reduce((sum, row) => sum + row.audioMs, 0) / 1000;
  const total = ['total', '', '', '', String(requests), seconds.toFixed(3)];
  return formatTable([['day', 'key', 'name', 'model', 'requests', 'audio seconds'], ...rows, total]);
}
