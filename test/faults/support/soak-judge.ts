import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { descendantsOf, openFiles, residentMiB } from './process-table.ts';

/** What the judge has seen at one moment. */
export interface SoakSample {
  /** Since the judge's start. */
  readonly second: number;
  /** Resident memory of the server alone. */
  readonly serverMiB: number;
  /** Server and all its children, pages that several share counted once. */
  readonly groupMiB: number;
  /** Of the server. */
  readonly openFiles: number;
  /** Ended processes that nobody has asked after, by id. */
  readonly zombies: readonly number[];
  readonly inferenceIds: readonly number[];
  /** As the server itself counts. */
  readonly requestsInside: number;
  readonly inferenceRestarts: number;
}

/** Watches a server from a process of its own: the kernel's figures and those of GET /metrics, a line of JSON a second. */
export async function judge(pid: number, url: string): Promise<void> {
  const startMs = performance.now();
  for (;;) {
    const figures = await (await fetch(`${url}/metrics`)).text();
    const children = descendantsOf(pid);
    const sample: SoakSample = {
      second: (performance.now() - startMs) / 1000,
      serverMiB: residentMiB(pid),
      groupMiB: [pid, ...children.map((child) => child.pid)].reduce((sum, id) => sum + sharedMiB(id), 0),
      openFiles: openFiles(pid).length,
      zombies: zombiesOf(pid),
      inferenceIds: children.filter(({ command }) => /inference-process/.test(command)).map((row) => row.pid),
      requestsInside: figure(figures, 'steno_requests_inside'),
      inferenceRestarts: figure(figures, 'steno_inference_restarts_total'),
    };
    process.stdout.write(`${JSON.stringify(sample)}\n`);
    await sleep(1000);
  }
}

/** Proportional set size: a page that n processes share counts 1/n in each. 0 for a process that has just ended. */
function sharedMiB(pid: number): number {
  try {
    return (
      Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024
    );
  } catch {
    return 0;
  }
}

function zombiesOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, parentId] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return state === 'Z' && Number(parentId) === parent;
      } catch {
        return false;
      }
    })
    .map(Number);
}

function figure(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , pid = '', url = ''] = process.argv;
  await judge(Number(pid), url);
}
