import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyModels, copySourceAssets, filesUnder } from './copy-assets.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const STAMP = join(ROOT, 'dist', '.stamp');
const INPUTS = [
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build.ts',
  'scripts/copy-assets.ts',
];

/** Compiles `src` into `dist` and brings the assets. With `--if-stale` only when a source changed since the last build. */
const fingerprint = fingerprintInputs();
if (!(process.argv.includes('--if-stale') && isBuilt(fingerprint))) {
  copyModels();
  const compiler = join(
    dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
    'bin',
    'tsc',
  );
  try {
    execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' });
  } catch {
    console.error('The build failed: the errors above come from the TypeScript compiler.');
    process.exit(1);
  }
  copySourceAssets();
  writeFileSync(STAMP, fingerprint);
}

/** Names, sizes and times of all that goes into the build. */
function fingerprintInputs(): string {
  const paths = [...filesUnder(join(ROOT, 'src')), ...INPUTS.map((name) => join(ROOT, name))];
  return paths
    .filter((path) => !path.endsWith('.test.ts'))
    .map((path) => {
      const { size, mtimeMs } = statSync(path);
      return `${path.slice(ROOT.length)} ${size} ${mtimeMs}`;
    })
    .join('\n');
}

function isBuilt(current: string): boolean {
  const outputs = [
    join(ROOT, 'dist', 'cli', 'main.js'),
    join(ROOT, 'models', 'bundled', 'LICENSE-silero-vad.txt'),
  ];
  return outputs.every(existsSync) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === current;
}
