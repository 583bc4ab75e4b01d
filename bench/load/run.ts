import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Machine, measureMachine } from '../accuracy/machine.ts';
import { speechRecording } from './recordings.ts';
import { startBuiltServer } from './server.ts';
import { type Latencies, summarizeLatencies } from './statistics.ts';

const CLIP_SECONDS = 5;
const HOUR_SECONDS = 3600;
const CLIENTS = 16;
const CLIPS_A_CLIENT = 10;

interface LoadReport extends Machine {
  /** One-minute load average before the first request: figures mean little on a busy machine. */
  readonly loadBefore: number;
  readonly idle: Latencies;
  readonly besideHour: Latencies;
  /** `GET /healthz`, 20 a second, all the while. */
  readonly live: Latencies;
  /** p95 beside the hour over the idle median, and over the idle p95. */
  readonly ratioToMedian: number;
  readonly ratioToP95: number;
  readonly hourAloneSecond: number;
  readonly hourAloneRtfx: number;
  readonly manyClients: Latencies & { readonly wallSecond: number; readonly rtfx: number };
}

/** Latency of short clips, idle and beside an hour-long recording, and throughput of many clients. */
const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    clips: { type: 'string', default: '100' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const clips = Number(values.clips);
const clip = speechRecording(CLIP_SECONDS);
const hour = speechRecording(HOUR_SECONDS);
const loadBefore = loadavg()[0] ?? 0;
const server = await startBuiltServer(values.set.flatMap((pair) => splitSetting(pair)));
try {
  const report = await measure();
  print(report);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
} finally {
  await server.stop();
}

async function measure(): Promise<LoadReport> {
  for (let warmUp = 0; warmUp < 10; warmUp += 1) await transcribe(clip);
  const idle = summarizeLatencies(await clipByClip(clips));
  const hourAloneSecond = (await transcribe(hour)) / 1000;
  const probes = startProbes();
  const besideHour = summarizeLatencies(await clipsBesideHour());
  const live = summarizeLatencies(await probes.stop());
  const manyClients = await serveManyClients();
  return {
    ...measureMachine(),
    command: `npm run bench:load -- ${process.argv.slice(2).join(' ')}`,
    loadBefore,
    idle,
    besideHour,
    live,
    ratioToMedian: besideHour.p95Ms / idle.p50Ms,
    ratioToP95: besideHour.p95Ms / idle.p95Ms,
    hourAloneSecond,
    hourAloneRtfx: HOUR_SECONDS / hourAloneSecond,
    manyClients,
  };
}

/** Clips while an hour-long recording is at work; when it is done, another one is sent. */
async function clipsBesideHour(): Promise<number[]> {
  const latencies: number[] = [];
  while (latencies.length < clips) {
    let running = true;
    const hourDone = transcribe(hour).finally(() => {
      running = false;
    });
    // Its upload and its own first half minute are over then.
    await sleep(2000);
    while (running && latencies.length < clips) {
      const [latency] = await clipByClip(1);
      if (running && latency !== undefined) latencies.push(latency);
    }
    await hourDone;
  }
  return latencies;
}

async function clipByClip(count: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let index = 0; index < count; index += 1) {
    // So that arrivals do not fall into step with the engine.
    await sleep(Math.random() * 100);
    latencies.push(await transcribe(clip));
  }
  return latencies;
}

function startProbes(): { stop(): Promise<number[]> } {
  const latencies: number[] = [];
  let stopped = false;
  const probing = (async () => {
    while (!stopped) {
      const startMs = performance.now();
      await (await fetch(`${server.url}/healthz`)).text();
      latencies.push(performance.now() - startMs);
      await sleep(50);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await probing;
      return latencies;
    },
  };
}

async function serveManyClients(): Promise<LoadReport['manyClients']> {
  const startMs = performance.now();
  const latencies = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const own: number[] = [];
      for (let index = 0; index < CLIPS_A_CLIENT; index += 1) own.push(await transcribe(clip));
      return own;
    }),
  );
  const wallSecond = (performance.now() - startMs) / 1000;
  const rtfx = (CLIENTS * CLIPS_A_CLIENT * CLIP_SECONDS) / wallSecond;
  return { ...summarizeLatencies(latencies.flat()), wallSecond, rtfx };
}

/** Milliseconds from the first byte sent to the whole answer. */
async function transcribe(recording: Buffer): Promise<number> {
  const form = new FormData();
  form.set('model', 'whisper-1');
  form.set('file', new Blob([recording]), 'recording.wav');
  const startMs = performance.now();
  const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: 'POST', body: form });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return performance.now() - startMs;
}

function splitSetting(pair: string): string[] {
  const at = pair.indexOf('=');
  return at < 0 ? [`--${pair}`] : [`--${pair.slice(0, at)}`, pair.slice(at + 1)];
}

function print(report: LoadReport): void {
  const row = (name: string, { count, p50Ms, p95Ms, maximumMs }: Latencies) =>
    `| ${name} | ${count} | ${[p50Ms, p95Ms, maximumMs].map((value) => value.toFixed(0)).join(' | ')} |`;
  const { manyClients } = report;
  console.log(
    [
      `${report.date}: \`${report.command}\`, load average before ${report.loadBefore.toFixed(2)}`,
      '',
      `| ${CLIP_SECONDS} s clip | requests | p50 ms | p95 ms | longest ms |`,
      '|---|---|---|---|---|',
      row('alone', report.idle),
      row('beside an hour-long recording', report.besideHour),
      row(`${CLIENTS} clients at once`, manyClients),
      row('(`GET /healthz` beside the hour)', report.live),
      '',
      `p95 beside the hour: ${report.ratioToMedian.toFixed(2)} x the idle median, ${report.ratioToP95.toFixed(2)} x the idle p95.`,
      `The hour alone: ${report.hourAloneSecond.toFixed(1)} s, RTFx ${report.hourAloneRtfx.toFixed(0)}; ${CLIENTS} clients: RTFx ${manyClients.rtfx.toFixed(0)}.`,
      `${report.processor}, ${report.cores} cores, ${report.operatingSystem}; node ${report.versions.node}, onnxruntime-node ${report.versions['onnxruntime-node']}.`,
    ].join('\n'),
  );
}
