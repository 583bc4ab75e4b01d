import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUNDLED_MODELS, CATALOG, type ExactFile } from '../src/models/catalog.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const MODEL_PACKAGE = 'node_modules/@moonshine-ai/moonshine-js';

/** Where the weights come from: packages of the lock file, so that no model is downloaded. */
const SOURCES: Readonly<Record<string, string>> = {
  'encoder_model.onnx': `${MODEL_PACKAGE}/dist/model/tiny/quantized/encoder_model.onnx`,
  'decoder_model_merged.onnx': `${MODEL_PACKAGE}/dist/model/tiny/quantized/decoder_model_merged.onnx`,
  'silero_vad_v5.onnx': 'node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx',
  'silero_vad_v6.onnx': 'node_modules/@ricky0123/vad-web/dist/silero_vad_v6.onnx',
};

/**
 * Brings the catalogue's weights, checked, and their licences into `models/bundled`: a folder a model, the voice detector beside
 * them. Files that are right stay untouched; a new one appears under its name only when it is whole. Throws when a source is
 * missing or differs from the catalogue.
 */
export function copyModels(target = join(ROOT, 'models', 'bundled')): void {
  for (const model of BUNDLED_MODELS) for (const file of model.files) copyModel(file, join(target, model.id));
  for (const file of CATALOG.vad.files) copyModel(file, target);
  writeWhole(join(target, 'moonshine-tiny', 'LICENSE.txt'), moonshineLicence());
  writeWhole(join(target, 'LICENSE-silero-vad.txt'), sileroLicence());
}

function copyModel(file: ExactFile, target: string): void {
  mkdirSync(target, { recursive: true });
  const path = join(target, file.name);
  if (isFile(path, file)) return;
  const source = SOURCES[file.name];
  if (source === undefined) throw new Error(`scripts/copy-assets.ts knows no source for ${file.name}.`);
  const from = join(ROOT, source);
  if (!existsSync(from))
    throw new Error(`${source} is missing. Run npm ci (with development packages), then build again.`);
  if (!isFile(from, file))
    throw new Error(
      `${source} is not the file in src/models/catalog.json (${file.sizeBytes} bytes, ${file.sha256}).`,
    );
  const part = `${path}.${process.pid}.part`;
  copyFileSync(from, part);
  renameSync(part, path);
}

function isFile(path: string, expected: ExactFile): boolean {
  if (!existsSync(path) || statSync(path).size !== expected.sizeBytes) return false;
  return createHash('sha256').update(readFileSync(path)).digest('hex') === expected.sha256;
}

/** The package's licence file holds two; only the MIT section covers the English model, and only that model is here. */
export function moonshineLicence(): string {
  const text = readFileSync(join(ROOT, MODEL_PACKAGE, 'LICENSE'), 'utf8');
  const mit = /^MIT License[\s\S]*?(?=^SECTION 2)/m.exec(text)?.[0];
  if (mit === undefined)
    throw new Error(`${MODEL_PACKAGE}/LICENSE no longer holds the MIT licence of the English model.`);
  return `Moonshine Tiny (English), https://github.com/moonshine-ai/moonshine\n\n${mit.trim()}\n`;
}

/** The package that carries the detector has its own licence (ISC); the weights are Silero's. */
export function sileroLicence(): string {
  return readFileSync(join(ROOT, 'scripts/licences/silero-vad.txt'), 'utf8');
}

/** Brings what the compiler leaves behind from `src` into `dist`, and removes what has no source any more. */
export function copySourceAssets(source = join(ROOT, 'src'), target = join(ROOT, 'dist')): void {
  const files = filesUnder(source).map((path) => relative(source, path));
  const expected = new Set(files.flatMap(outputsOf));
  for (const name of files.filter((name) => !name.endsWith('.ts'))) {
    mkdirSync(dirname(join(target, name)), { recursive: true });
    writeWhole(join(target, name), readFileSync(join(source, name)));
  }
  for (const path of filesUnder(target))
    if (!expected.has(relative(target, path)) && !path.endsWith('.part')) rmSync(path, { force: true });
}

function outputsOf(name: string): string[] {
  if (!name.endsWith('.ts')) return [name];
  if (name.endsWith('.test.ts')) return [];
  const stem = name.slice(0, -3);
  return [`${stem}.js`, `${stem}.js.map`, `${stem}.d.ts`];
}

export function filesUnder(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function writeWhole(path: string, content: string | Buffer): void {
  if (existsSync(path) && readFileSync(path).equals(Buffer.from(content))) return;
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, content);
  renameSync(part, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  copyModels();
  copySourceAssets();
}
