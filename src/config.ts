import { readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { FFMPEG_USERS } from './audio/ffmpeg-users.ts';
import { ConfigError } from './errors.ts';
import { routesSchema, upstreamsSchema } from './upstream/upstream-options.ts';
import { availableMemoryBytes } from './util/container-memory.ts';

const MIB = 1024 * 1024;

/** Text from a flag or the environment as a number; what is no plain decimal number stays text and is refused with its name. */
function asNumber(value: unknown): unknown {
  return typeof value === 'string' && /^[+-]?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value;
}

const integer = (minimum: number, maximum: number) =>
  z.preprocess(asNumber, z.number().int().min(minimum).max(maximum));
const seconds = (minimum: number, maximum: number) =>
  z.preprocess(asNumber, z.number().min(minimum).max(maximum));

/** Comma separated text, or a list in the file. */
const commaList = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',') : value),
  z
    .array(z.coerce.string())
    .transform((items) => items.map((item) => item.trim()).filter((item) => item !== '')),
);

const WORDS_FOR_TRUE = ['1', 'true', 'yes', 'on'];
const WORDS_FOR_FALSE = ['0', 'false', 'no', 'off'];
const flag = z.preprocess((value) => {
  if (typeof value !== 'string') return value;
  const text = value.trim().toLowerCase();
  return WORDS_FOR_TRUE.includes(text) || (WORDS_FOR_FALSE.includes(text) ? false : value);
}, z.boolean());

const aliasSide = z.string().trim().min(1, 'expected alias=model pairs, comma separated');

/** Model aliases: `whisper-1=moonshine-tiny,dictation=moonshine-tiny`, or a map in the file. */
const aliases = z.preprocess(
  (value) => {
    if (typeof value !== 'string') return value;
    const pairs = value.split(',').filter((pair) => pair.trim() !== '');
    return Object.fromEntries(pairs.map((pair) => splitAtFirst(pair, '=')));
  },
  z.record(aliasSide, aliasSide),
);

function splitAtFirst(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text.trim(), ''] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

/** A map in the file, JSON text in a flag or the environment. */
function jsonText(value: unknown, context: z.RefinementCtx): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    context.addIssue({ code: 'custom', message: 'expected JSON text, or a map in the configuration file' });
    return z.NEVER;
  }
}

/**
 * What a profile sets where nothing else does. `openai` has the limits of OpenAI's own service: the whole body, boundaries
 * included, may have 26,214,400 bytes, and `model` must be given.
 */
const PROFILES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  stenographer: {},
  openai: { maxUploadBytes: 26_214_400, strictModel: true },
};

/** Three quarters of what this process may use: the machine's memory, or less in a container. */
function defaultModelMemoryBytes(): number {
  return Math.floor(availableMemoryBytes() * 0.75);
}

/**
 * Every setting: unit in the name, default, range. The environment name is `STENO_` + the name in capitals (`maxUploadBytes` ->
 * `STENO_MAX_UPLOAD_BYTES`), the flag is the same in kebab-case (`--max-upload-bytes`), the file has the name itself.
 */
export const configSchema = z.strictObject({
  profile: z
    .enum(['stenographer', 'openai'])
    .default('stenographer')
    .describe(
      "Set of defaults; `openai` takes OpenAI's own limits: 26,214,400 bytes a request, `model` required.",
    ),
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  port: integer(0, 65_535).default(8080).describe('Port to listen on; 0 takes a free one.'),
  apiKeys: commaList
    .default([])
    .describe(
      'API keys. With none the server answers only on loopback. A flag is visible to other users of the machine.',
    ),
  apiKeysFile: z.string().optional().describe('File with one API key a line; # starts a comment.'),
  allowNoKeys: flag
    .default(false)
    .describe('Serve other addresses than loopback although no key is configured.'),
  maxFailedKeysPerMinute: integer(0, 1_000_000)
    .default(10)
    .describe(
      'Requests with an unknown key that one address may send a minute; then it is answered 429 for the rest of it. 0 is no limit.',
    ),
  rateLimitPerMinute: integer(0, 1_000_000)
    .default(0)
    .describe('Transcriptions a key may ask for a minute, unless it has a limit of its own; 0 is no limit.'),
  quotaSecondsPerDay: integer(0, 1_000_000_000)
    .default(0)
    .describe(
      'Seconds of audio a key may transcribe a day (UTC), unless it has a quota of its own; 0 is no quota.',
    ),
  quotaSecondsPerMonth: integer(0, 1_000_000_000).default(0).describe('The same for a calendar month (UTC).'),
  usageRetentionDays: integer(0, 36_500)
    .default(400)
    .describe(
      'Usage, and keys revoked as long ago, are deleted after so many days; the current month stays, because quotas are counted from it. 0 keeps all for ever.',
    ),
  metrics: z
    .enum(['admin', 'open', 'off'])
    .default('admin')
    .describe(
      'Who may read GET /metrics: those with an admin key, everybody who reaches the server, or nobody.',
    ),
  dataDir: z
    .string()
    .min(1)
    .default(join(homedir(), '.local', 'share', 'stenographer'))
    .describe('Folder for keys, usage, uploads in progress and graphs built from the models.'),
  diskReserveBytes: integer(0, 2 ** 50)
    .default(64 * MIB)
    .describe(
      'With less disk space free in the data folder /readyz says so, and uploads that would leave less are answered 507; 0 does not look.',
    ),
  maxUploadBytes: integer(1024, 2 ** 40)
    .default(512 * MIB)
    .describe('Largest request body in bytes.'),
  maxAudioSeconds: seconds(1, 86_400)
    .default(4 * 3600)
    .describe('Longest recording in seconds, counted while decoding.'),
  uploadIdleSeconds: seconds(1, 3600)
    .default(30)
    .describe('An upload that sends nothing for so long is refused.'),
  uploadMinBytesPerSecond: integer(0, 2 ** 30)
    .default(1024)
    .describe('An upload that is slower over a minute is refused; 0 lets it.'),
  maxUploads: integer(1, 100_000)
    .default(256)
    .describe('Uploads that may be received at once; more are answered 503.'),
  maxRequestsPerKey: integer(0, 100_000)
    .default(0)
    .describe(
      'Requests of one key that may be received, wait or run at once; more are answered 429. 0 is no limit.',
    ),
  readIdleSeconds: seconds(1, 3600)
    .default(60)
    .describe('An answer whose reader takes nothing for so long is cut.'),
  maxConnections: integer(1, 1_000_000)
    .default(1000)
    .describe('Connections that may be open at once; more are closed unanswered.'),
  maxConnectionsPerAddress: integer(0, 1_000_000)
    .default(256)
    .describe(
      'The same for one address other than this machine; 0 is no limit. Raise it for a proxy on another machine.',
    ),
  engineProcesses: integer(1, 256)
    .default(availableParallelism())
    .describe('Inference processes, one thread each; default one a core.'),
  engineExpress: flag
    .default(true)
    .describe(
      'One inference process more, for the first half minute of each recording only, so that short ones do not wait behind long ones; it runs while there are long ones.',
    ),
  engineIdleSeconds: seconds(0, 86_400)
    .default(30)
    .describe(
      'After so long without work the inference processes give the memory they have grown by back to the system; 0 keeps it.',
    ),
  engineMemoryBytes: integer(0, 2 ** 50)
    .default(0)
    .describe(
      'Most private memory of one inference process in bytes, weights that are only mapped left out; work that needs more is answered 503 and the server goes on. It must leave room for the largest model. 0 is no limit. Needs prlimit (util-linux).',
    ),
  engineTimeoutSeconds: seconds(1, 3600)
    .default(60)
    .describe(
      'An inference process that answers nothing for so long while it has work is killed and replaced.',
    ),
  whisperThreads: integer(0, 256)
    .default(0)
    .describe(
      'Threads that compute one chunk of a whisper.cpp model (Whisper, Parakeet); 0 is one a core, 8 at most.',
    ),
  whisperVariant: z
    .enum(['cpu', 'vulkan', 'cuda'])
    .default('cpu')
    .describe(
      'Which build of whisper.cpp computes. `vulkan` and `cuda` want their package installed beside: `npm install @fugood/node-whisper-linux-x64-cuda@1.1`, by platform. The plain build of macOS uses Metal.',
    ),
  embeddedKeepAliveSeconds: seconds(-1, 604_800)
    .default(-1)
    .describe(
      'How long the processes of the embedded model and the voice detector stay after their last work; they start again with the next request. -1: for ever.',
    ),
  keepAliveSeconds: seconds(-1, 604_800)
    .default(300)
    .describe(
      'How long every other model stays loaded after its last request. 0: not at all; -1: until another model needs the memory.',
    ),
  preload: commaList
    .default([])
    .describe(
      'Models to load at the start and keep: names, comma separated. They leave only when another model needs the memory, or by hand.',
    ),
  modelMemoryBytes: integer(0, 2 ** 50)
    .default(defaultModelMemoryBytes())
    .describe(
      'Memory that loaded models, the embedded one left out, may take together, by the estimates of the catalogue: idle ones leave for others. 0 is no limit.',
    ),
  modelLoadSeconds: seconds(1, 3600)
    .default(300)
    .describe('Loading a model may take so long; then those who wait for it are answered 503.'),
  maxQueue: integer(1, 100_000)
    .default(32)
    .describe('Requests that may wait or run at once; more are answered 503.'),
  maxQueueSeconds: seconds(1, 3600)
    .default(60)
    .describe('A request that waits longer than this for its turn is answered 503.'),
  graceSeconds: seconds(0, 3600)
    .default(30)
    .describe('After SIGTERM running requests get so long to finish.'),
  ffmpeg: z.string().min(1).default('ffmpeg').describe('The ffmpeg program: a name on PATH or a path.'),
  ffmpegFirstUserId: integer(0, 2 ** 31 - 1)
    .default(60_600)
    .describe(
      `When the server is root, each ffmpeg runs under a user id of its own, from this one on (${FFMPEG_USERS} of them), and can open nothing but its recording. The ids must belong to nobody, another server of this machine included. 0: as root.`,
    ),
  modelsDir: z
    .string()
    .optional()
    .describe('Folder with the bundled model files; default the one in the package.'),
  offline: flag
    .default(false)
    .describe(
      'Fetch no models: pulls are refused, and steno models import is the way in. HF_ENDPOINT names another hub, HF_TOKEN is its token; HTTPS_PROXY, HTTP_PROXY and NO_PROXY count.',
    ),
  aliases: aliases.default({}).describe('Further model names: alias=model, comma separated.'),
  upstreams: z
    .preprocess(jsonText, upstreamsSchema)
    .default({})
    .describe('OpenAI-compatible services that models may be served by, see docs/gateway.md.'),
  routes: z
    .preprocess(jsonText, routesSchema)
    .default({})
    .describe(
      'Where model names are served, tried in order: a model of this server or upstream/model. See docs/gateway.md.',
    ),
  defaultModel: z.string().min(1).default('whisper-1').describe('Model of requests that name none.'),
  strictModel: flag.default(false).describe('Refuse requests without a model field, as OpenAI does.'),
  docs: flag.default(true).describe('Serve the documentation page at /docs.'),
  logLevel: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Log level.'),
});

export type Config = Readonly<z.infer<typeof configSchema>>;
export type Setting = keyof Config;

export const SETTINGS = Object.keys(configSchema.shape) as readonly Setting[];

/**
 * The keys of upstreams, by upstream, out of the variables that the configuration names: keys are no settings, so that no file, no flag
 * and no listing of settings holds them. Throws ConfigError for a variable that is missing.
 */
export function readUpstreamKeys(
  upstreams: Config['upstreams'],
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const [name, { apiKeyEnv }] of Object.entries(upstreams)) {
    if (apiKeyEnv === undefined) continue;
    const key = environment[apiKeyEnv]?.trim() ?? '';
    if (key === '')
      throw new ConfigError(
        `upstreams.${name}.apiKeyEnv names the environment variable ${apiKeyEnv}, which is not set. Set it to the key, or leave apiKeyEnv out.`,
      );
    if (!/^[\x21-\x7e]+$/.test(key))
      throw new ConfigError(
        `The environment variable ${apiKeyEnv} of upstreams.${name} holds something that cannot be a key: only printable ASCII without spaces can be sent.`,
      );
    keys.set(name, key);
  }
  return keys;
}

/** How other hosts are reached, by the names that most tools read. */
export interface ProxyEnvironment {
  readonly httpProxy: string | undefined;
  readonly httpsProxy: string | undefined;
  readonly noProxy: string | undefined;
}

/**
 * `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in small letters or capitals. Empty values count as not given.
 */
export function readProxyEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): ProxyEnvironment {
  const either = (name: string) => nonEmpty(environment[name.toLowerCase()]) ?? nonEmpty(environment[name]);
  const everywhere = either('ALL_PROXY');
  return {
    httpProxy: either('HTTP_PROXY') ?? everywhere,
    httpsProxy: either('HTTPS_PROXY') ?? everywhere,
    noProxy: either('NO_PROXY'),
  };
}

/** How the hub of models is reached, by the names that its own tools and most others read. */
export interface HubEnvironment extends ProxyEnvironment {
  readonly endpoint: string | undefined;
  readonly token: string | undefined;
}

/** `HF_ENDPOINT`, `HF_TOKEN` and the proxies. Empty values count as not given. */
export function readHubEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): HubEnvironment {
  return {
    endpoint: nonEmpty(environment.HF_ENDPOINT)?.trim(),
    token: nonEmpty(environment.HF_TOKEN)?.trim(),
    ...readProxyEnvironment(environment),
  };
}

export function environmentName(setting: Setting): string {
  return `STENO_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

export function flagName(setting: Setting): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export interface ConfigSources {
  /** From the command line; undefined values count as absent. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Path of a YAML file; `STENO_CONFIG` names one too. */
  readonly file?: string | undefined;
}

/**
 * Flags over environment over file over the profile over defaults, checked and frozen. Absent, null and (in the environment)
 * empty values count as not given. Throws ConfigError naming the setting and its source.
 */
export function loadConfig(sources: ConfigSources): Config {
  const environment = sources.environment ?? {};
  const file = sources.file ?? nonEmpty(environment.STENO_CONFIG);
  const fromFile = file === undefined ? {} : given(readConfigFile(file));
  const fromEnvironment = readEnvironment(environment);
  const fromFlags = given(sources.flags ?? {});
  const explicit: Record<string, unknown> = { ...fromFile, ...fromEnvironment, ...fromFlags };
  const parsed = configSchema.safeParse({ ...profileDefaults(explicit.profile), ...explicit });
  if (!parsed.success)
    throw new ConfigError(describeIssues(parsed.error, { fromEnvironment, fromFlags, file }));
  return Object.freeze(parsed.data);
}

function profileDefaults(profile: unknown): Readonly<Record<string, unknown>> {
  return typeof profile === 'string' && Object.hasOwn(PROFILES, profile) ? (PROFILES[profile] ?? {}) : {};
}

function given(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== null),
  );
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text;
}

function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const known = new Map(SETTINGS.map((setting) => [environmentName(setting), setting]));
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('STENO_') || name === 'STENO_CONFIG' || nonEmpty(value) === undefined) continue;
    const setting = known.get(name);
    if (setting === undefined)
      throw new ConfigError(
        `${name} is not a setting. Known: ${[...known.keys(), 'STENO_CONFIG'].join(', ')}.`,
      );
    values[setting] = value ?? '';
  }
  return values;
}

function readConfigFile(path: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`The configuration file ${path} cannot be read: ${(error as Error).message}`);
  }
  if (parsed === null || parsed === undefined) return {};
  if (typeof parsed !== 'object' || Array.isArray(parsed))
    throw new ConfigError(`The configuration file ${path} must hold settings as "name: value" lines.`);
  return parsed as Record<string, unknown>;
}

function describeIssues(
  error: z.ZodError,
  origin: { fromEnvironment: object; fromFlags: object; file: string | undefined },
): string {
  return error.issues
    .map((issue) => {
      const setting = String(issue.path[0] ?? '') as Setting;
      if (issue.code === 'unrecognized_keys' && issue.path.length === 0)
        return `Unknown setting in ${origin.file ?? 'the flags'}: ${issue.keys.join(', ')}. Known: ${SETTINGS.join(', ')}.`;
      const name =
        setting in origin.fromFlags
          ? `--${flagName(setting)}`
          : setting in origin.fromEnvironment
            ? environmentName(setting)
            : `${setting} in ${origin.file}`;
      const inside = isNested(setting) ? issue.path.slice(1).map(String).join('.') : '';
      const message =
        issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
      return `${name}: ${inside === '' ? '' : `${inside}: `}${message}.`;
    })
    .join(' ');
}

/** Settings with fields inside; of the others the name is enough. */
function isNested(setting: Setting): boolean {
  return setting === 'upstreams' || setting === 'routes';
}
