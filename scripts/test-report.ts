import { z } from 'zod';

/** What a test run came to; failed and skipped tests by name. */
export interface Outcome {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

/** The part of vitest's JSON report that is read here. */
const reportSchema = z.object({
  success: z.boolean(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

/** Counts a project's tests. A file that did not load, a crash of the runner or an error outside any test is a failure too. */
export function readVitestReport(project: string, report: unknown, exitStatus: number | null): Outcome {
  const parsed = reportSchema.safeParse(report);
  if (!parsed.success)
    return { passed: 0, failed: [`${project}: the test runner left no report`], skipped: [] };
  const files = parsed.data.testResults.map((file) => ({
    ...file,
    name: file.name.split('/').slice(-2).join('/'),
  }));
  const tests = files.flatMap((file) =>
    file.assertionResults.map((test) => ({
      name: `${file.name}: ${test.fullName.trim()}`,
      status: test.status,
    })),
  );
  const failed = tests.filter((test) => test.status === 'failed').map((test) => test.name);
  const unloaded = files
    .filter(
      (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
    )
    .map((file) => `${file.name}: the file failed outside its tests`);
  const all = [...failed, ...unloaded];
  if (all.length === 0 && exitStatus !== 0)
    all.push(`${project}: the test runner ended with ${exitStatus ?? 'a signal'}`);
  return {
    passed: tests.filter((test) => test.status === 'passed').length,
    failed: all,
    skipped: tests
      .filter((test) => test.status !== 'passed' && test.status !== 'failed')
      .map((test) => test.name),
  };
}

export function addOutcomes(outcomes: readonly Outcome[]): Outcome {
  return {
    passed: outcomes.reduce((sum, outcome) => sum + outcome.passed, 0),
    failed: outcomes.flatMap((outcome) => outcome.failed),
    skipped: outcomes.flatMap((outcome) => outcome.skipped),
  };
}

export function summaryLine(outcome: Outcome): string {
  const skipped = outcome.skipped.length === 0 ? '' : `, ${outcome.skipped.length} skipped`;
  return `${outcome.passed} passed, ${outcome.failed.length} failed${skipped}`;
}
