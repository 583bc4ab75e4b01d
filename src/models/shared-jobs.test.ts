import { describe, expect, it } from 'vitest';
import { SharedJobs } from './shared-jobs.ts';

/** Work that ends when told to, or with its signal. */
function controlledWork() {
  const starts: ((result: string) => void)[] = [];
  const work = (signal: AbortSignal): Promise<string> =>
    new Promise((resolve, reject) => {
      starts.push(resolve);
      signal.addEventListener('abort', () => setImmediate(() => reject(new Error('stopped'))));
    });
  return { starts, work };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('SharedJobs', () => {
  it('runs work of one name once for all that ask', async () => {
    const jobs = new SharedJobs<string, number>();
    const { starts, work } = controlledWork();
    const both = Promise.all([jobs.run('a', work), jobs.run('a', work)]);
    await turn();
    expect(starts).toHaveLength(1);
    starts[0]?.('done');
    expect(await both).toEqual(['done', 'done']);
    expect(jobs.isRunning('a')).toBe(false);
  });

  it('ends with the last that waits; who comes right after starts anew', async () => {
    const jobs = new SharedJobs<string, number>();
    const { starts, work } = controlledWork();
    const controller = new AbortController();
    const first = jobs.run('a', work, { signal: controller.signal });
    const outcome = expect(first).rejects.toMatchObject({ code: 'aborted' });
    await turn();
    controller.abort();
    await Promise.resolve();
    const second = jobs.run('a', work);
    await outcome;
    await turn();
    expect(starts).toHaveLength(2);
    starts[1]?.('again');
    expect(await second).toBe('again');
  });

  it('tells late comers the last progress', async () => {
    const jobs = new SharedJobs<string, number>();
    const { starts, work } = controlledWork();
    const reported: number[] = [];
    const first = jobs.run('a', (signal, report) => {
      report(1);
      return work(signal);
    });
    await turn();
    const second = jobs.run('a', work, { onProgress: (progress) => reported.push(progress) });
    await turn();
    expect(jobs.progressOf('a')).toBe(1);
    starts[0]?.('done');
    await Promise.all([first, second]);
    expect(reported).toEqual([1]);
  });

  it('abort stops the work and waits until it has stopped', async () => {
    const jobs = new SharedJobs<string, number>();
    const { work } = controlledWork();
    const running = expect(jobs.run('a', work)).rejects.toMatchObject({ code: 'aborted' });
    await turn();
    await jobs.abort('a');
    expect(jobs.isRunning('a')).toBe(false);
    await running;
  });
});
