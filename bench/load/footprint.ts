import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { speechRecording } from './recordings.ts';
import { type BenchServer, startBuiltServer } from './server.ts';

/**
 * Time until the models are loaded, and memory of the server with its children: idle, at work on a long recording, and after a rest.
 * Linux only. Three sums over all processes:
 *
 * - RSS, as `ps` shows it: pages that processes share (the node binary, mapped weights) count in each of them;
 * - PSS: a page that n processes share counts 1/n in each, other programs on the machine included;
 * - container: what a memory limit charges: anonymous memory of all processes, and each mapped file once.
 *
 *   npm run build && npx tsx bench/load/footprint.ts [--hours 3]
 */
const { values } = parseArgs({ options: { hours: { type: 'string', default: '3' } } });
const IDLE_SECONDS = 5;
const SAMPLE_MS = 500;
const SETTLED_SECONDS = 4;

const startMs = performance.now();
// The data folder is new, so this start builds the graphs; the idle time is cut short to see memory come back.
const server = await startBuiltServer(['--engine-idle-seconds', String(IDLE_SECONDS)]);
try {
  console.log(
    `ready after ${((performance.now() - startMs) / 1000).toFixed(2)} s (first start: graphs are built)`,
  );
  report('loaded', measure(server));
  await sleep(IDLE_SECONDS * 1000);
  const idle = report('idle', await settled());
  const short = await peakWhile(() => transcribe(speechRecording(120)));
  report('at most, during 2 minutes of sound', short);
  const long = await peakWhile(() => transcribe(speechRecording(Number(values.hours) * 3600)));
  report(`at most, during ${values.hours} h of sound`, long);
  growth('idle', idle, long);
  growth('2 minutes of sound', short, long);
  await sleep(IDLE_SECONDS * 1000);
  report('after a rest', await settled());
} finally {
  await server.stop();
}

/** Megabytes, summed over the server and its children. */
interface Memory {
  readonly processes: number;
  readonly rss: number;
  readonly pss: number;
  readonly container: number;
}

/** Memory once it has not changed for some seconds: processes end and are renewed one after another. */
async function settled(): Promise<Memory> {
  let memory = measure(server);
  for (let quietSeconds = 0; quietSeconds < SETTLED_SECONDS; quietSeconds += 1) {
    await sleep(1000);
    const now = measure(server);
    if (now.processes !== memory.processes || Math.abs(now.container - memory.container) > 2)
      quietSeconds = -1;
    memory = now;
  }
  return memory;
}

/** The most of each sum while `work` runs. */
async function peakWhile(work: () => Promise<void>): Promise<Memory> {
  const samples: Memory[] = [];
  const watch = setInterval(() => samples.push(measure(server)), SAMPLE_MS);
  await work();
  clearInterval(watch);
  const most = (value: (memory: Memory) => number): number => Math.max(...samples.map(value));
  return {
    processes: most(({ processes }) => processes),
    rss: most(({ rss }) => rss),
    pss: most(({ pss }) => pss),
    container: most(({ container }) => container),
  };
}

async function transcribe(recording: Buffer): Promise<void> {
  const form = new FormData();
  form.set('file', new Blob([recording]), 'recording.wav');
  const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
}

function report(moment: string, memory: Memory): Memory {
  const { processes, rss, pss, container } = memory;
  const [resident, shared, charged] = [rss, pss, container].map((megabytes) => megabytes.toFixed(0));
  console.log(`${moment}: ${processes} processes, RSS ${resident}, PSS ${shared}, container ${charged} MB`);
  return memory;
}

function growth(from: string, before: Memory, after: Memory): void {
  const change = (name: 'rss' | 'pss' | 'container'): string => (after[name] - before[name]).toFixed(0);
  console.log(
    `${values.hours} h over ${from}: RSS +${change('rss')}, PSS +${change('pss')}, container +${change('container')} MB`,
  );
}

function measure({ pid }: BenchServer): Memory {
  const processes = [String(pid), ...childrenOf(pid)].map(readMappings).filter((found) => found.length > 0);
  const all = processes.flat();
  const sum = (value: (mapping: Mapping) => number): number =>
    all.reduce((total, mapping) => total + value(mapping), 0) / 1024;
  return {
    processes: processes.length,
    rss: sum(({ rss }) => rss),
    pss: sum(({ pss }) => pss),
    container: sum(({ anonymous }) => anonymous) + sharedFiles(processes) / 1024,
  };
}

/** Kilobytes of mapped files: of each file what the process has that has most of it. */
function sharedFiles(processes: readonly (readonly Mapping[])[]): number {
  const most = new Map<string, number>();
  for (const mappings of processes) {
    const own = new Map<string, number>();
    for (const { file, rss, anonymous } of mappings) own.set(file, (own.get(file) ?? 0) + rss - anonymous);
    for (const [file, size] of own) most.set(file, Math.max(size, most.get(file) ?? 0));
  }
  return [...most.values()].reduce((total, size) => total + size, 0);
}

function childrenOf(pid: number): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children.split(' ').filter(Boolean);
}

/** Kilobytes of a stretch of memory. */
interface Mapping {
  readonly file: string;
  readonly rss: number;
  readonly pss: number;
  readonly anonymous: number;
}

/** Empty for a process that has just ended. */
function readMappings(pid: string): Mapping[] {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/smaps`, 'utf8');
  } catch {
    return [];
  }
  return text.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).map((part) => {
    const field = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(part)?.[1] ?? 0);
    const file = /^\S+ \S+ \S+ \S+ \S+ *(.*)$/m.exec(part)?.[1] ?? '';
    return { file, rss: field('Rss'), pss: field('Pss'), anonymous: field('Anonymous') };
  });
}
