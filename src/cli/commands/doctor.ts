import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { probeFfmpeg } from '../../audio/probe-ffmpeg.ts';
import { type Config, readUpstreamKeys } from '../../config.ts';
import { loadBinding, packageOf, type WhisperVariant } from '../../engines/whisper-cpp/binding.ts';
import { BUNDLED_MODELS, CATALOG, type ExactFile } from '../../models/catalog.ts';
import {
  findInstalled,
  type InstalledModel,
  idsOnDisk,
  type ModelPlaces,
  unreadablePlaces,
} from '../../models/installed.ts';
import { modelFolder } from '../../models/manifest.ts';
import { driverName } from '../../store/sqlite/driver.ts';
import { availableMemoryBytes } from '../../util/container-memory.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';
import { formatBytes } from '../output.ts';

const BUNDLED = fileURLToPath(new URL('../../../models/bundled', import.meta.url));

export function addDoctorCommand(program: Command, finish: (code: ExitCode) => void): void {
  const command = program
    .command('doctor')
    .description('Check Node, ffmpeg, whisper.cpp, the model files and the settings of upstreams');
  addConfigFlags(command, ['ffmpeg', 'modelsDir', 'dataDir', 'whisperVariant', 'upstreams']).action(
    async (flags: Record<string, unknown>) => {
      const findings = await examine(configFrom(flags));
      for (const { healthy, text } of findings)
        process.stdout.write(`${healthy ? 'ok  ' : 'BAD '} ${text}\n`);
      finish(findings.every((finding) => finding.healthy) ? EXIT_CODES.ok : EXIT_CODES.internal);
    },
  );
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
  const places = { models: CATALOG.models, bundledDir: directory, modelsDir: join(config.dataDir, 'models') };
  return [
    examineNode(),
    await examineFfmpeg(config.ffmpeg),
    ...(await Promise.all([...models, ...vad])),
    examineWhisper(config.whisperVariant, places),
    ...examineInstalled(places),
    ...examineUpstreams(config.upstreams),
  ];
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

/** Loads the native module, which only models of whisper.cpp need. */
function examineWhisper(variant: WhisperVariant, places: ModelPlaces): Finding {
  const isNeeded = idsOnDisk(places).some((id) => findInstalled(places, id)?.entry.engine === 'whisper-cpp');
  try {
    loadBinding(variant);
    return { healthy: true, text: `whisper.cpp from ${packageOf(variant)}` };
  } catch (error) {
    return { healthy: !isNeeded, text: (error as Error).message };
  }
}

/** Downloaded and imported models: whether they are there in full; `steno models verify` reads every byte. */
function examineInstalled(places: ModelPlaces): Finding[] {
  const closed = unreadablePlaces(places);
  return [
    ...closed.map(({ path, code }) => ({
      healthy: false,
      text: `${path} cannot be read by this user (${code}): give it to the user that runs the server`,
    })),
    ...idsOnDisk(places).flatMap((id) => {
      const model = findInstalled(places, id);
      if (model !== undefined) return { healthy: true, text: describe(model) };
      const folder = modelFolder(places.modelsDir, id);
      const isClosed = closed.some(({ path }) => path === folder || dirname(path) === folder);
      return isClosed ? [] : damaged(id);
    }),
  ];
}

function describe({ entry: { id, memoryBytes }, directory, sizeBytes, outdated }: InstalledModel): string {
  const notes = [`model ${id}, ${formatBytes(sizeBytes)}, ${directory}`];
  if (outdated) notes.push(`the catalogue has another version: steno models pull ${id}`);
  const availableBytes = availableMemoryBytes();
  if (memoryBytes > availableBytes)
    notes.push(
      `at work it takes about ${formatBytes(memoryBytes)} of memory, ${formatBytes(availableBytes)} are here`,
    );
  return notes.join('; ');
}

function damaged(id: string): Finding {
  const isKnown = CATALOG.models.some((model) => model.id === id);
  const remedy = isKnown ? `steno models pull ${id}` : 'steno models import';
  return {
    healthy: false,
    text: `model ${id}: files are missing or cut; mend it with ${remedy}, or delete it with steno models remove ${id}`,
  };
}

/** Settings only: nothing is sent. The key itself is never shown. */
function examineUpstreams(upstreams: Config['upstreams']): Finding[] {
  return Object.entries(upstreams).map(([name, upstream]) => {
    const { baseUrl, apiKeyEnv } = upstream;
    const place = `upstream ${name} at ${new URL(baseUrl).host}`;
    if (apiKeyEnv === undefined) return { healthy: true, text: `${place}, no key is sent` };
    try {
      readUpstreamKeys({ [name]: upstream }, process.env);
      return { healthy: true, text: `${place}, key in ${apiKeyEnv}` };
    } catch (error) {
      return { healthy: false, text: `${place}: ${(error as Error).message}` };
    }
  });
}

async function examineFile(path: string, expected: ExactFile): Promise<Finding> {
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
