import { readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFakeUpstream } from '../support/fake-upstream.ts';
import { writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { buildCli, runCli, temporaryFolder } from '../support/run-cli.ts';

const folder = temporaryFolder();
const environment = { STENO_DATA_DIR: join(folder.path, 'data') };
beforeAll(buildCli);
afterAll(() => folder.remove());

describe('steno doctor', () => {
  it('names the models that are installed, and the one whose file was cut', async () => {
    const before = await runCli(['doctor'], { environment });
    expect(before.stdout).toMatch(/^ok {3}.*moonshine-tiny\/encoder_model\.onnx$/m);
    expect(before.stdout).not.toContain('model mine');
    expect(before.code).toBe(0);

    const file = join(folder.path, 'ggml-mine.bin');
    await writeGgmlWhisper(file);
    const imported = await runCli(['models', 'import', file, '--as', 'mine', '--engine', 'whisper-cpp'], {
      environment,
    });
    expect(imported.code, imported.stderr).toBe(0);
    const after = await runCli(['doctor'], { environment });
    expect(after.stdout).toMatch(/^ok {3}model mine, 7\.\d MB, /m);
    expect(after.stdout).toMatch(/^ok {3}whisper\.cpp from @fugood\/node-whisper-/m);
    expect(after.code).toBe(0);

    const models = join(environment.STENO_DATA_DIR, 'models', 'mine');
    const stored = (await readdir(models, { recursive: true })).find((name) => name.endsWith('.bin'));
    await truncate(join(models, stored ?? ''), 1000);
    const cut = await runCli(['doctor'], { environment });
    expect(cut.stdout).toMatch(/^BAD {2}model mine: .*steno models import.*steno models remove mine$/m);
    expect(cut.code).toBe(1);
  }, 120_000);

  it('names each upstream and whether its key is set, but no key, and asks none of them', async () => {
    const config = join(folder.path, 'upstreams.yaml');
    const service = await startFakeUpstream();
    await writeFile(
      config,
      `upstreams:
  hosted: { baseUrl: "${service.baseUrl}", apiKeyEnv: HOSTED_KEY }
  other: { baseUrl: "https://other.example:8443/v1", apiKeyEnv: OTHER_KEY }
  near: { baseUrl: "http://gpu-box:8000/v1" }
`,
    );
    const keys = { ...environment, HOSTED_KEY: 'sk-not-to-be-shown' };
    const one = await runCli(['doctor', '--config', config], { environment: keys });
    expect(one.stdout).toMatch(/^ok {3}upstream hosted at 127\.0\.0\.1:\d+, key in HOSTED_KEY$/m);
    expect(one.stdout).toMatch(
      /^BAD {2}upstream other at other\.example:8443: .*OTHER_KEY, which is not set/m,
    );
    expect(one.stdout).toMatch(/^ok {3}upstream near at gpu-box:8000, no key is sent$/m);
    expect(one.code).toBe(1);
    expect(one.stdout + one.stderr).not.toContain('sk-not-to-be-shown');
    expect(service.requests).toEqual([]);
    await service.close();
  });

  it('says which package is missing for a graphics card', async () => {
    const ended = await runCli(['doctor', '--whisper-variant', 'vulkan'], { environment });
    expect(ended.stdout).toMatch(/node-whisper-\S+-vulkan, which is not installed: npm install/);
  });
});
