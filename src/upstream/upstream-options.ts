import { isIP } from 'node:net';
import { z } from 'zod';

/** One service, as the configuration names it. Durations are in seconds; 0 is no limit where a limit may be absent. */
export const upstreamSchema = z.strictObject({
  /** Everything before `/audio/transcriptions`. */
  baseUrl: z.string().superRefine(checkBaseUrl),
  /** Name of the environment variable that holds the key; without one no key is sent. */
  apiKeyEnv: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, {
      error: 'must be the name of an environment variable, not the key itself',
    })
    .optional(),
  /** Plain HTTP to a public address, where anybody on the way can read key and recordings. */
  allowHttp: z.boolean().default(false),
  connectSeconds: z.number().min(0.1).max(300).default(10),
  /** For one request, retries and pauses included: until a whole answer is here, or a streamed one begins. */
  timeoutSeconds: z.number().min(0.1).max(86_400).default(600),
  /** Longest silence inside an answer. */
  idleSeconds: z.number().min(0.1).max(3600).default(120),
  /** Longest time a streamed answer may take. */
  streamSeconds: z.number().min(0.1).max(86_400).default(3600),
  /** Further attempts after a failed one. */
  retries: z.int().min(0).max(10).default(2),
  maxConcurrent: z.int().min(1).max(10_000).default(8),
  requestsPerMinute: z.int().min(0).max(1_000_000).default(0),
  /** Of a UTC day. */
  audioSecondsPerDay: z.int().min(0).max(1_000_000_000).default(0),
  /** The circuit breaker judges after so many attempts within a minute. */
  breakerMinimumCalls: z.int().min(1).max(10_000).default(5),
  /** An open circuit breaker lets nothing through for so long, then one request to try. */
  breakerOpenSeconds: z.number().min(0.1).max(3600).default(30),
});

export type UpstreamOptions = Readonly<z.infer<typeof upstreamSchema>>;

const upstreamName = z.string().regex(/^[a-z0-9][\w.-]{0,62}$/i, {
  error: 'names of upstreams have letters, digits, ".", "_" and "-" only',
});

/** Upstreams by name. */
export const upstreamsSchema = z.record(upstreamName, upstreamSchema.superRefine(checkScheme));

const target = z
  .string()
  .trim()
  .min(1, { error: 'must name a model of this server, or an upstream and its model as upstream/model' })
  .max(256);

/** Targets by public model name, in the order in which they are tried. */
export const routesSchema = z.record(
  z.string().trim().min(1).max(256),
  z.array(target).min(1, { error: 'must have at least one target' }).max(10),
);

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** A URL is shown in messages: no part of it may be a secret. */
function checkBaseUrl(text: string, context: z.RefinementCtx): void {
  const url = parseUrl(text);
  const say = (message: string) => context.addIssue({ code: 'custom', message });
  if (url === undefined || !/^https?:$/.test(url.protocol))
    say('must be an http:// or https:// URL, such as https://api.openai.com/v1');
  else if (url.username !== '' || url.password !== '')
    say('must not hold a user name or password; name the variable of the key in apiKeyEnv');
  else if (url.search !== '' || url.hash !== '') say('must end with its path, without ? and #');
  else if (/\/audio\/(?:transcriptions|translations)\/?$/.test(url.pathname))
    say('must be the part before /audio/transcriptions');
}

function checkScheme({ baseUrl, allowHttp }: UpstreamOptions, context: z.RefinementCtx): void {
  const url = parseUrl(baseUrl);
  if (url?.protocol !== 'http:' || allowHttp || isPrivateHost(url.hostname)) return;
  context.addIssue({
    code: 'custom',
    path: ['baseUrl'],
    message:
      'is plain HTTP to a public address, where others can read the key and the recordings; use https:// or set allowHttp: true',
  });
}

/**
 * Whether a host can only be on this machine or a private network: addresses of RFC 1918, 4193, 6598 and link-local ones, and names
 * that the public DNS does not serve (RFC 6761, 6762, names without a dot as in container networks).
 */
export function isPrivateHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (isIP(name) === 4) return isPrivateV4(name.split('.').map(Number));
  if (isIP(name) === 6) return name === '::1' || /^f[cd]/.test(name) || /^fe[89ab]/.test(name);
  return !name.includes('.') || /\.(?:localhost|local|internal|lan|home\.arpa|test)$/.test(name);
}

function isPrivateV4([a = 0, b = 0]: readonly number[]): boolean {
  return (
    a === 127 ||
    a === 10 ||
    (a === 172 && b >= 16 && b <= 31) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b <= 127)
  );
}
