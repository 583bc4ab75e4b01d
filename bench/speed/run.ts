import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { decodeToSamples } from '../accuracy/decode-samples.ts';
import { measureMachine } from '../accuracy/machine.ts';
import { REPOSITORY_ROOT } from '../accuracy/manifest.ts';
import { type SpeedClip, speedClips, totalSeconds } from './clips.ts';
import { timeLongRecording } from './long-recording.ts';
import { type TimedSystem, timeOneThread } from './one-thread.ts';
import { hasPeers } from './recognizers.ts';
import { timeThroughput } from './throughput.ts';

/**
 * Speed beside the alternatives, in one run. Peers are compared with only when they are installed (npm ci --prefix bench/peers).
 *
 *   npm run build && npx tsx bench/speed/run.ts [--rounds 5] [--clips 24] [--only one-thread,clip,throughput,long] [--json out.json]
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    clips: { type: 'string', default: '24' },
    only: { type: 'string', default: 'one-thread,clip,throughput,long' },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const parts = values.only.split(',');
const peers = hasPeers();
const others = ['stock', ...(peers ? ['sherpa'] : [])];
const systems: readonly TimedSystem[] = [
  { system: 'ours', settings: 'served' },
  ...others.map((system) => ({ system, settings: 'plain' as const })),
  // What the settings alone are worth, to either side.
  { system: 'ours', settings: 'plain' },
  ...others.map((system) => ({ system, settings: 'served' as const })),
];
const machine = {
  ...measureMachine(),
  command: `npx tsx bench/speed/run.ts ${process.argv.slice(2).join(' ')}`,
};
const report: Record<string, unknown> = { ...machine };

if (parts.includes('one-thread')) {
  const clips = await speedClips(Number(values.clips));
  const times = await timeOneThread(systems, clips, rounds);
  report.oneThread = times;
  console.log(
    `One clip at a time, one thread: ${clips.length} clips, ${totalSeconds(clips).toFixed(0)} s, ${rounds} rounds.`,
  );
  printTimes(times);
}
if (parts.includes('clip')) {
  const path = join(REPOSITORY_ROOT, 'test/fixtures/audio/jfk.wav');
  const clip: SpeedClip = {
    file: 'jfk.wav',
    path,
    set: '',
    reference: '',
    durationSecond: 11,
    samples: await decodeToSamples(path),
  };
  const times = await timeOneThread(systems, [clip], rounds * 4);
  report.clip = times;
  console.log('\nThe 11 s clip jfk.wav, one thread (floor of the arithmetic: 57 ms).');
  printTimes(times);
}
if (parts.includes('throughput')) {
  const clips = (await speedClips(64)).flatMap((clip) => [clip, clip]);
  const cores = availableParallelism();
  const result = await timeThroughput({ clips, clients: 16, cores, rounds: Math.min(rounds, 3), peers });
  report.throughput = result;
  console.log(
    `\n16 clients over HTTP, ${cores} cores: ${result.ours.toFixed(0)} audio seconds a second` +
      (result.sherpa === undefined || result.ratio === undefined
        ? '.'
        : `; sherpa-onnx-node, one process a core, no HTTP: ${result.sherpa.toFixed(0)}; ratio ${result.ratio.toFixed(2)}.`),
  );
}
if (parts.includes('long')) {
  const result = await timeLongRecording();
  report.long = result;
  console.log(
    `\nOne hour (Opus) through the server: ${result.wallSecond.toFixed(1)} s, ${result.realTimeFactor.toFixed(0)}x real time, ${result.words} words.`,
  );
}
const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
console.log(
  `\n${machine.processor}, ${machine.cores} cores, ${machine.operatingSystem}; ${versions.join(', ')}.`,
);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);

function printTimes(times: Awaited<ReturnType<typeof timeOneThread>>): void {
  console.log('| system | process | user CPU ms | wall ms | user CPU / ours | wall / ours |');
  console.log('|---|---|---|---|---|---|');
  for (const { system, settings, userMs, wallMs, userRatio, wallRatio } of times)
    console.log(
      `| ${system} | ${settings} | ${userMs.toFixed(0)} | ${wallMs.toFixed(0)} | ${userRatio.toFixed(2)} | ${wallRatio.toFixed(2)} |`,
    );
}
