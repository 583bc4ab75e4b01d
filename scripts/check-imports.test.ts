import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { checkImports } from './check-imports.ts';

let folder: string | undefined;
afterEach(() => folder !== undefined && rmSync(folder, { recursive: true }));

function check(files: Readonly<Record<string, string>>): string[] {
  folder = mkdtempSync(join(tmpdir(), 'steno-imports-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return checkImports(folder);
}

describe('checkImports', () => {
  it('lets arrows point right and reads test files as exempt', () => {
    expect(
      check({
        'transcribe/a.ts': "import { b } from '../vad/b.ts';\nimport type { S } from '../scheduler/s.ts';",
        'vad/b.test.ts': "import { a } from '../transcribe/a.ts';",
        'cli/main.ts':
          "import { Command } from 'commander';\nimport { startServer } from '../http/server.ts';",
      }),
    ).toEqual([]);
  });

  it('refuses arrows to the left, also for types and several lines, with file and line', () => {
    const breaches = check({
      'vad/b.ts': "const x = 1;\nimport type {\n  A,\n} from '../transcribe/a.ts';",
      'engines/c.ts': "export { d } from '../vad/d.ts';",
    });
    expect(breaches).toEqual([
      expect.stringMatching(/^src\/engines\/c\.ts:1: /),
      expect.stringMatching(/^src\/vad\/b\.ts:2: /),
    ]);
  });

  it('knows who alone may import a heavy package, and that nobody reads the configuration', () => {
    expect(check({ 'engines/c.ts': "import ort from 'onnxruntime-node';" })).toHaveLength(1);
    expect(check({ 'audio/d.ts': "const ort = await import('onnxruntime-node');" })).toHaveLength(1);
    expect(check({ 'http/e.ts': "import type { Config } from '../config.ts';" })).toHaveLength(1);
    expect(check({ 'http/f.ts': "import { createServices } from '../services.ts';" })).toHaveLength(1);
  });

  it('finds a way from the command line to the inference runtime', () => {
    const breaches = check({
      'cli/main.ts': "import { s } from '../services.ts';",
      'services.ts': "import { e } from './engines/e.ts';",
      'engines/e.ts': "import { o } from '../onnx/session.ts';",
      'onnx/session.ts': 'export const o = 1;',
    });
    expect(breaches).toEqual([expect.stringContaining('src/onnx/session.ts')]);
  });
});
