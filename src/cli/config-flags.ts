import { type Command, Option } from 'commander';
import {
  type Config,
  configSchema,
  environmentName,
  flagName,
  loadConfig,
  SETTINGS,
  type Setting,
} from '../config.ts';

/** Adds `--config` and a flag for each of these settings. Values are checked by {@link configFrom}, not here. */
export function addConfigFlags(command: Command, settings: readonly Setting[] = SETTINGS): Command {
  command.option('--config <file>', 'YAML file with settings; STENO_CONFIG names one too');
  const defaults = configSchema.parse({});
  for (const setting of settings) {
    const value = typeof defaults[setting] === 'boolean' ? '[true|false]' : '<value>';
    const description = configSchema.shape[setting].description ?? '';
    command.addOption(
      new Option(`--${flagName(setting)} ${value}`, `${description} (${environmentName(setting)})`),
    );
  }
  return command;
}

/** The configuration from a command's flags, the environment and the file. Throws ConfigError. */
export function configFrom(
  flags: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, string>> = {},
): Config {
  const settings = Object.fromEntries(SETTINGS.map((setting) => [setting, flags[setting]]));
  const file = typeof flags.config === 'string' ? flags.config : undefined;
  return loadConfig({ flags: settings, environment: { ...defaults, ...process.env }, file });
}
