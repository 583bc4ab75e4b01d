import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compareReports } from './compare.ts';
import { measureMachine, takeCpuSeconds } from './machine.ts';
import { readEnglishClips } from './manifest.ts';
import { normalizeEnglish } from './normalize.ts';
import { type AccuracyReport, formatReport, type ScoredClip } from './report.ts';
import { SYSTEMS } from './systems.ts';
import { countWordErrors } from './wer.ts';

const USAGE = `npx tsx bench/accuracy/run.ts --system ${Object.keys(SYSTEMS).join('|')} [--sets a,b] [--json out.json]
npx tsx bench/accuracy/run.ts --compare first.json second.json`;

await main();

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      system: { type: 'string' },
      sets: { type: 'string' },
      json: { type: 'string' },
      compare: { type: 'boolean' },
    },
    allowPositionals: true,
  });
  if (values.compare === true) {
    const [first, second] = positionals;
    if (first === undefined || second === undefined) throw new Error(USAGE);
    console.log(compareReports(readReport(first), readReport(second)));
    return;
  }
  const createSystem = SYSTEMS[values.system ?? ''];
  if (createSystem === undefined) throw new Error(USAGE);
  const report = await measure(createSystem, values.sets?.split(','));
  console.log(formatReport(report));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
}

function readReport(path: string): AccuracyReport {
  return JSON.parse(readFileSync(path, 'utf8')) as AccuracyReport;
}

async function measure(
  createSystem: () => ReturnType<(typeof SYSTEMS)[string]>,
  sets: string[] | undefined,
): Promise<AccuracyReport> {
  const clips = readEnglishClips(sets);
  const system = await createSystem();
  const scored: ScoredClip[] = [];
  let wallSecond = 0;
  // The time to load the model is not part of the figure; children's CPU time is known only once they have ended.
  const cpuBefore = takeCpuSeconds();
  try {
    for (const [index, clip] of clips.entries()) {
      const start = performance.now();
      const text = await system.transcribe(clip.path);
      const seconds = (performance.now() - start) / 1000;
      wallSecond += seconds;
      const [reference, hypothesis] = [normalizeEnglish(clip.reference), normalizeEnglish(text)];
      const errors = countWordErrors(
        reference.split(' ').filter(Boolean),
        hypothesis.split(' ').filter(Boolean),
      );
      const { file, set, durationSecond } = clip;
      scored.push({ file, set, durationSecond, seconds, text, reference, hypothesis, ...errors });
      if (process.stderr.isTTY) process.stderr.write(`\r${index + 1}/${clips.length}`);
    }
  } finally {
    await system.close();
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
  const cpuSecond = takeCpuSeconds() - cpuBefore;
  return { system: system.name, ...measureMachine(), wallSecond, cpuSecond, clips: scored };
}
