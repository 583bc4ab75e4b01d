import { z } from 'zod';
import { configSchema, environmentName, flagName, SETTINGS, type Setting } from '../src/config.ts';

/** Defaults that depend on the machine, in words. */
const MACHINE_DEFAULTS: Partial<Record<Setting, string>> = {
  dataDir: '`~/.local/share/stenographer`',
  engineProcesses: 'number of cores',
  modelMemoryBytes: "three quarters of the machine's memory",
};

const HEAD = `# Configuration

<!-- Written by scripts/render-config-docs.ts from src/config.ts: change it there, then run npm run docs. -->

A setting comes from a flag of \`steno serve\`, else from the environment, else from a YAML file (\`--config FILE\` or
\`STENO_CONFIG\`; lines like \`maxUploadBytes: 1000000\`), else from the profile, else it has its default. An empty environment
variable counts as not set. An unknown setting, or a value out of range, stops the start with a message that names it.
Durations are in seconds, sizes in bytes.
`;

/** The page docs/configuration.md. */
export function renderConfigDocs(): string {
  const { properties } = z.toJSONSchema(configSchema, { io: 'output', unrepresentable: 'any' });
  const rows = SETTINGS.map((setting) => renderRow(setting, (properties?.[setting] ?? {}) as SettingSchema));
  const head = [
    '| setting | environment | flag | default | values | what it does |',
    '|---|---|---|---|---|---|',
  ];
  return `${HEAD}\n${[...head, ...rows].join('\n')}\n`;
}

interface SettingSchema {
  readonly type?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly additionalProperties?: { readonly type?: string };
}

function renderRow(setting: Setting, schema: SettingSchema): string {
  const names = [setting, environmentName(setting), `--${flagName(setting)}`].map((name) => `\`${name}\``);
  return `| ${[...names, defaultOf(setting, schema), valuesOf(schema), schema.description ?? ''].join(' | ')} |`;
}

function defaultOf(setting: Setting, schema: SettingSchema): string {
  const value = schema.default;
  const isEmpty =
    value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
  return MACHINE_DEFAULTS[setting] ?? (isEmpty ? 'none' : `\`${String(value)}\``);
}

function valuesOf(schema: SettingSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.minimum !== undefined)
    return `${schema.type === 'integer' ? 'whole number, ' : ''}${schema.minimum} to ${schema.maximum}`;
  if (Array.isArray(schema.default)) return 'comma separated';
  const inner = schema.additionalProperties?.type;
  if (inner === 'object' || inner === 'array') return 'a map in the file, else JSON';
  return { boolean: '`true`, `false`', object: '`name=value`, comma separated' }[schema.type ?? ''] ?? 'text';
}
