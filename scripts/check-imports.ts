import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesUnder } from './copy-assets.ts';

/** Places in `src` from left to right; a place may import what stands to its right, and itself. */
const LEVELS: readonly (readonly string[])[] = [
  ['index'],
  ['cli', 'http'],
  ['services'],
  ['config', 'logger', 'metrics'],
  ['jobs', 'upstream', 'transcribe', 'store'],
  ['scheduler'],
  ['vad', 'engines', 'models', 'formats'],
  ['audio', 'onnx'],
  ['transcript', 'errors', 'util'],
];

/** Allowed although it is not to the right; the left side is a path's beginning. */
const SIDEWAYS: readonly string[] = [
  'jobs -> transcribe/transcriber.ts',
  'upstream -> transcribe/transcriber.ts',
  'jobs -> store/store.ts',
  'cli -> http/server.ts',
  'models -> formats/language-names.ts',
];

/** Never, although it stands to the right. */
const NEVER: readonly (readonly [from: RegExp, to: RegExp, why: string])[] = [
  [/^http\//, /^(engines|onnx|vad|scheduler\/inference|store\/sqlite)/, 'http knows no engine and no store'],
  [
    /^(?!services[./]|index\.ts|cli\/|config)/,
    /^config\.ts/,
    'the configuration is read by services and cli alone; take an options object',
  ],
];

/** Heavy and native packages, and who alone may import them. */
const ONE_IMPORTER: readonly (readonly [name: RegExp, owner: RegExp])[] = [
  [/^onnxruntime-node$/, /^onnx\//],
  [/^llama-tokenizer-js$/, /^engines\/moonshine\/tokenizer\.ts$/],
  [/^@fugood\/.*$/, /^engines\/whisper-cpp\/binding\.ts$/],
  [/^undici$/, /^(upstream|models)\//],
  [/^@huggingface\/hub$/, /^models\//],
  [/^@alexanderolsen\/libsamplerate-js$/, /^audio\/resample\.ts$/],
  [/^(fastify|fastify-.*|@fastify\/.*)$/, /^http\//],
  [/^(commander|@clack\/.*|close-with-grace)$/, /^cli\//],
  [/^yaml$/, /^config\.ts$/],
  [/^@photostructure\/sqlite$/, /^store\/sqlite\/driver\.ts$/],
  [/^rate-limiter-flexible$/, /^store\/rate-window\.ts$/],
  [/^prom-client$/, /^metrics\.ts$/],
  [/^bullmq$/, /^jobs\/bullmq-job-queue\.ts$/],
  [/^ioredis$/, /^jobs\/redis\.ts$/],
  [/^(node:)?child_process$/, /^(audio\/[a-z-]*ffmpeg\.ts|scheduler\/)/],
];

interface Import {
  readonly from: string;
  readonly line: number;
  /** A path inside `src`, or a package's name. */
  readonly to: string;
  readonly isOwn: boolean;
  readonly isType: boolean;
}

/** Every breach of the import rules below `source`, as `file:line: reason`. */
export function checkImports(source: string): string[] {
  const imports = filesUnder(source)
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .flatMap((path) => readImports(source, path));
  const breaches = imports.flatMap((found) => {
    const reason = found.isOwn ? refuseOwn(found) : refusePackage(found);
    return reason === undefined ? [] : [`src/${found.from}:${found.line}: ${reason}`];
  });
  return [...breaches, ...reachedRuntime(imports)];
}

function readImports(source: string, path: string): Import[] {
  const text = readFileSync(path, 'utf8');
  const pattern = /^(?:import|export)\s(?:[^'";]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  return [...text.matchAll(pattern)].map((match) => {
    const name = match[1] ?? match[2] ?? '';
    const isOwn = name.startsWith('.');
    return {
      from: relative(source, path),
      line: text.slice(0, match.index).split('\n').length,
      to: isOwn ? relative(source, join(dirname(path), name)) : name,
      isOwn,
      isType: /^(import|export)\s+type\s/.test(match[0]),
    };
  });
}

function refuseOwn({ from, to, isType }: Import): string | undefined {
  if (to.startsWith('..')) return `src imports nothing outside itself, not ${to}`;
  for (const [left, right, why] of NEVER) if (left.test(from) && right.test(to)) return `${to}: ${why}`;
  if (from.startsWith('http/') && placeOf(to) === 'services' && !isType)
    return 'http takes Services as a type only';
  const [here, there] = [placeOf(from), placeOf(to)];
  if (here === there || SIDEWAYS.includes(`${here} -> ${to}`)) return undefined;
  if (levelOf(here) < 0 || levelOf(there) < 0)
    return `${levelOf(here) < 0 ? here : there} is no place of the map`;
  return levelOf(there) > levelOf(here) ? undefined : `${here} may not import ${to}: arrows point right only`;
}

function refusePackage({ from, to, isType }: Import): string | undefined {
  const name = to.startsWith('node:')
    ? to
    : to
        .split('/')
        .slice(0, to.startsWith('@') ? 2 : 1)
        .join('/');
  const rule = ONE_IMPORTER.find(([pattern]) => pattern.test(name));
  return rule === undefined || isType || rule[1].test(from)
    ? undefined
    : `${name} belongs to ${rule[1].source}`;
}

/** The serving process never loads the inference runtime: value imports that lead from the command line to `onnx/`. */
function reachedRuntime(imports: readonly Import[]): string[] {
  const seen = new Set(['cli/main.ts']);
  for (const file of seen)
    for (const next of imports) if (next.from === file && next.isOwn && !next.isType) seen.add(next.to);
  return [...seen]
    .filter((file) => file.startsWith('onnx/'))
    .map((file) => `src/${file}:1: reached from cli/main.ts by value imports`);
}

function placeOf(path: string): string {
  return path.split('/')[0]?.replace(/\.(ts|json)$/, '') ?? path;
}

function levelOf(place: string): number {
  return LEVELS.findIndex((level) => level.includes(place));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const breaches = checkImports(fileURLToPath(new URL('../src', import.meta.url)));
  for (const breach of breaches) console.error(breach);
  process.exitCode = breaches.length === 0 ? 0 : 1;
}
