import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addOutcomes, type Outcome, readVitestReport, summaryLine } from './test-report.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');

/** Checks that are no tests: each that fails counts as one failure. */
const CHECKS: Readonly<Record<string, readonly [program: string, ...rest: string[]]>> = {
  'format and lint': ['biome', 'check', '--error-on-warnings'],
  'import direction': ['tsx', 'scripts/check-imports.ts'],
  'generated documents': ['tsx', 'scripts/generate-docs.ts', '--check'],
  types: ['tsc', '-p', '.'],
};

/** One after another: the later ones measure time and kill processes, so they want the machine for themselves. */
const PROJECTS = ['unit', 'models', 'api', 'faults'] as const;
const ONE_FILE_AT_A_TIME: readonly string[] = ['models', 'api', 'faults'];

/** The SDK suite once more with the oldest and the newest official client; `script/test` installs them. */
const SDKS = 'sdks';

const wanted = process.argv.slice(2);
const known: readonly string[] = ['checks', ...PROJECTS, SDKS];
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`No such tests: ${unknown.join(', ')}. There are: ${known.join(', ')}.`);
  process.exit(2);
}
const runs = (name: string): boolean => wanted.length === 0 || wanted.includes(name);

const reports = mkdtempSync(join(tmpdir(), 'stenographer-tests-'));
const outcomes: Outcome[] = [];
try {
  if (runs('checks'))
    outcomes.push(...Object.entries(CHECKS).map(([name, command]) => runCheck(name, command)));
  if (PROJECTS.some(runs)) outcomes.push(build());
  for (const project of PROJECTS) if (runs(project)) outcomes.push(runProject(project));
  if (runs(SDKS))
    outcomes.push(runCheck('official clients, oldest and newest', ['tsx', 'scripts/test-sdks.ts', '--all']));
} finally {
  rmSync(reports, { recursive: true, force: true });
}
const total = addOutcomes(outcomes);
printNames('Skipped', total.skipped);
printNames('Failed', total.failed);
console.log(summaryLine(total));
process.exitCode = total.failed.length === 0 ? 0 : 1;

function runCheck(name: string, [program, ...rest]: readonly [string, ...string[]]): Outcome {
  const ended = spawnSync(join(BIN, program), rest, { cwd: ROOT, stdio: 'inherit' });
  console.log(`${ended.status === 0 ? 'ok' : 'FAILED'}: check ${name}`);
  return { passed: 0, failed: ended.status === 0 ? [] : [`check: ${name}`], skipped: [] };
}

function build(): Outcome {
  const ended = spawnSync(join(BIN, 'tsx'), ['scripts/build.ts', '--if-stale'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  return { passed: 0, failed: ended.status === 0 ? [] : ['build'], skipped: [] };
}

function runProject(project: string): Outcome {
  const output = join(reports, `${project}.json`);
  const parallel = ONE_FILE_AT_A_TIME.includes(project) ? ['--no-file-parallelism'] : [];
  const options = ['run', '--project', project, '--passWithNoTests', '--reporter=default', '--reporter=json'];
  const ended = spawnSync(join(BIN, 'vitest'), [...options, `--outputFile.json=${output}`, ...parallel], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  const report: unknown = existsSync(output) ? JSON.parse(readFileSync(output, 'utf8')) : undefined;
  return readVitestReport(project, report, ended.status);
}

function printNames(title: string, names: readonly string[]): void {
  if (names.length > 0) console.log(`\n${title}:\n${names.map((name) => `  ${name}`).join('\n')}`);
}
