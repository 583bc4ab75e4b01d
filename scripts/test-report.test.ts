import { describe, expect, it } from 'vitest';
import { addOutcomes, readVitestReport, summaryLine } from './test-report.ts';

const file = (status: string, ...tests: [string, string][]) => ({
  name: '/somewhere/test/api/a.test.ts',
  status,
  assertionResults: tests.map(([fullName, testStatus]) => ({ fullName, status: testStatus })),
});

describe('readVitestReport', () => {
  it('counts passed, failed and skipped tests by name', () => {
    const report = {
      success: false,
      testResults: [file('failed', ['a', 'passed'], ['b', 'failed'], ['c', 'skipped'], ['d', 'todo'])],
    };
    const outcome = readVitestReport('api', report, 1);
    expect(outcome).toEqual({
      passed: 1,
      failed: ['api/a.test.ts: b'],
      skipped: ['api/a.test.ts: c', 'api/a.test.ts: d'],
    });
    expect(summaryLine(outcome)).toBe('1 passed, 1 failed, 2 skipped');
  });

  it('counts a file that did not load, a missing report and an error outside the tests as failures', () => {
    expect(readVitestReport('api', { success: false, testResults: [file('failed')] }, 1).failed).toHaveLength(
      1,
    );
    expect(readVitestReport('api', undefined, 1).failed).toHaveLength(1);
    expect(
      readVitestReport('api', { success: false, testResults: [file('passed', ['a', 'passed'])] }, 1).failed,
    ).toHaveLength(1);
  });

  it('adds up and ends without a skipped part when nothing was skipped', () => {
    const one = readVitestReport(
      'unit',
      { success: true, testResults: [file('passed', ['a', 'passed'])] },
      0,
    );
    expect(summaryLine(addOutcomes([one, one]))).toBe('2 passed, 0 failed');
  });
});
