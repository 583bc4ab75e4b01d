import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { speechRecording } from './recordings.ts';
import { type BenchServer, startBuiltServer } from './server.ts';

/**
 * Time until the models are loaded, and memory of the server with its children: idle, at work on a long recording, and after a rest.
 * Proportional set size (pages shared by n processes count 1/n each) and plain resident size; Linux only.
 *
 *   npm run build && npx tsx bench/load/footprint.ts [--hours 3]
 */
const { values } = parseArgs({ options: { hours: { type: 'string', default: '3' } } });
const IDLE_SECONDS = 5;

const startMs = performance.now();
// The data folder is new, so this start builds the graphs; the idle time is cut short to see memory come back.
const server = await startBuiltServer(['--engine-idle-seconds', String(IDLE_SECONDS)]);
try {
  console.log(
    `ready after ${((performance.now() - startMs) / 1000).toFixed(2)} s (first start: graphs are built)`,
  );
  await sleep((IDLE_SECONDS + 3) * 1000);
  report('idle');
  await transcribe(speechRecording(120));
  report('after 2 minutes of sound');
  const most = { pss: 0 };
  const watch = setInterval(() => {
    most.pss = Math.max(most.pss, measure(server).pss);
  }, 1000);
  await transcribe(speechRecording(Number(values.hours) * 3600));
  clearInterval(watch);
  console.log(`at most, during ${values.hours} h of sound: PSS ${most.pss.toFixed(0)} MB`);
  await sleep((IDLE_SECONDS + 3) * 1000);
  report('after a rest');
} finally {
  await server.stop();
}

async function transcribe(recording: Buffer): Promise<void> {
  const form = new FormData();
  form.set('file', new Blob([recording]), 'recording.wav');
  const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
}

function report(moment: string): void {
  const { processes, pss, rss } = measure(server);
  console.log(`${moment}: ${processes} processes, PSS ${pss.toFixed(0)} MB, RSS ${rss.toFixed(0)} MB`);
}

function measure({ pid }: BenchServer): { processes: number; pss: number; rss: number } {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean);
  const rollups = [String(pid), ...children].map((id) => readRollup(id));
  const sum = (name: string): number =>
    rollups.reduce(
      (total, text) => total + Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0),
      0,
    ) / 1024;
  return { processes: rollups.length, pss: sum('Pss'), rss: sum('Rss') };
}

/** Empty for a process that has just ended. */
function readRollup(id: string): string {
  try {
    return readFileSync(`/proc/${id}/smaps_rollup`, 'utf8');
  } catch {
    return '';
  }
}
