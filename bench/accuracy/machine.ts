import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, platform, release } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from './manifest.ts';

/** What a figure depends on besides the code. */
export interface Machine {
  readonly date: string;
  readonly command: string;
  readonly processor: string;
  readonly cores: number;
  readonly operatingSystem: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function measureMachine(): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    command: `npx tsx bench/accuracy/run.ts ${process.argv.slice(2).join(' ')}`,
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    operatingSystem: `${platform()} ${release()}`,
    versions: {
      node: process.version,
      'onnxruntime-node': packageVersion('onnxruntime-node'),
      '@moonshine-ai/moonshine-js': packageVersion('@moonshine-ai/moonshine-js'),
      ffmpeg: ffmpegVersion(),
    },
  };
}

function packageVersion(name: string): string {
  const text = readFileSync(join(REPOSITORY_ROOT, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function ffmpegVersion(): string {
  try {
    return /version (\S+)/.exec(execFileSync('ffmpeg', ['-version'], { encoding: 'utf8' }))?.[1] ?? 'unknown';
  } catch {
    return 'none';
  }
}

/** User CPU seconds of this process and, on Linux, of its children that have ended. */
export function takeCpuSeconds(): number {
  return process.cpuUsage().user / 1e6 + endedChildrenSeconds();
}

/** Field 16 of /proc/self/stat (man 5 proc), in ticks of 10 ms; the name in field 2 may hold blanks. */
function endedChildrenSeconds(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[13]) / 100;
  } catch {
    return 0;
  }
}
