import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { BUNDLED_MODELS, CATALOG } from '../../src/models/catalog.ts';
import { buildCli, ROOT } from '../support/run-cli.ts';

let files: Map<string, number>;

beforeAll(() => {
  buildCli();
  const report = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const parsed: unknown = JSON.parse(report);
  // npm 10 answers a list, npm 12 a map by package name.
  const [pack] = Object.values(parsed as Record<string, { files: { path: string; size: number }[] }>);
  files = new Map(pack?.files.map((file) => [file.path, file.size]));
});

describe('the published package', () => {
  it('holds the command, the catalogue and the whole models with their licences', () => {
    for (const name of [
      'dist/cli/main.js',
      'dist/models/catalog.json',
      'dist/scheduler/inference-process.js',
      'LICENSE',
      'README.md',
    ])
      expect(files.has(name), name).toBe(true);
    for (const model of BUNDLED_MODELS)
      for (const file of model.files)
        expect(files.get(`models/bundled/${model.id}/${file.name}`)).toBe(file.sizeBytes);
    for (const file of CATALOG.vad.files)
      expect(files.get(`models/bundled/${file.name}`)).toBe(file.sizeBytes);
    for (const name of [
      'models/bundled/moonshine-tiny/LICENSE.txt',
      'models/bundled/LICENSE-silero-vad.txt',
      'THIRD-PARTY-NOTICES.md',
    ])
      expect(files.has(name), name).toBe(true);
  });

  it('holds no tests, no sources and nothing half copied', () => {
    const strays = [...files.keys()].filter((name) =>
      /\.test\.|^(src|test|bench|scripts)\/|\.part$|\.stamp$|(?<!\.d)\.ts$/.test(name),
    );
    expect(strays).toEqual([]);
  });
});
