import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { probeFfmpeg } from '../../audio/probe-ffmpeg.ts';
import type { Config } from '../../config.ts';
import { BUNDLED_MODELS, CATALOG, type ModelFile } from '../../models/catalog.ts';
import { driverName } from '../../store/sqlite/driver.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';

const BUNDLED = fileURLToPath(new URL('../../../models/bundled', import.meta.url));

export function addDoctorCommand(program: Command, finish: (code: ExitCode) => void): void {
  const command = program.command('doctor').description('Check Node, ffmpeg and the model files');
  addConfigFlags(command, ['ffmpeg', 'modelsDir']).action(async (flags: Record<string, unknown>) => {
    const findings = await examine(configFrom(flags));
    for (const { healthy, text } of findings) process.stdout.write(`${healthy ? 'ok  ' : 'BAD '} ${text}\n`);
    finish(findings.every((finding) => finding.healthy) ? EXIT_CODES.ok : EXIT_CODES.internal);
  });
}

interface Finding {
  readonly healthy: boolean;
  readonly text: string;
}

async function examine(config: Config): Promise<Finding[]> {
  const directory = config.modelsDir ?? BUNDLED;
  const models = BUNDLED_MODELS.flatMap((model) =>
    model.files.map((file) => examineFile(join(directory, model.id, file.name), file)),
  );
  const vad = CATALOG.vad.files.map((file) => examineFile(join(directory, file.name), file));
  return [examineNode(), await examineFfmpeg(config.ffmpeg), ...(await Promise.all([...models, ...vad]))];
}

function examineNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const healthy = major > 20 || (major === 20 && minor >= 19);
  return {
    healthy,
    text: `Node ${process.version}${healthy ? '' : '; 20.19 or newer is needed'}, SQLite from ${driverName()}`,
  };
}

async function examineFfmpeg(program: string): Promise<Finding> {
  const { available, path, version, hint } = await probeFfmpeg(program);
  const text = available
    ? `ffmpeg ${version ?? ''} at ${path}`
    : 'ffmpeg does not work: only WAV files can be read';
  return { healthy: available, text: hint === undefined ? text : `${text}. ${hint}` };
}

async function examineFile(path: string, expected: ModelFile): Promise<Finding> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    return {
      healthy: false,
      text: `${path}: ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}; run npm run build`,
    };
  }
  const healthy = hash.digest('hex') === expected.sha256;
  return {
    healthy,
    text: healthy
      ? path
      : `${path} is damaged: its sha256 is not the catalogue's; delete it and run npm run build`,
  };
}
