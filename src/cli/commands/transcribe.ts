import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AudioSource } from '../../audio/audio.ts';
import { languageCode } from '../../formats/language-names.ts';
import { RESPONSE_FORMATS, type ResponseFormat, renderTranscript } from '../../formats/response-format.ts';
import { createLogger } from '../../logger.ts';
import { createServices, type Services } from '../../services.ts';
import { collectTranscript, type TranscribeOptions } from '../../transcribe/transcriber.ts';
import type { Transcript } from '../../transcript.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import {
  EXIT_CODE_HELP,
  EXIT_CODES,
  type ExitCode,
  exitCodeOf,
  InputFileError,
  OutputFileError,
} from '../exit-codes.ts';
import { createProgress, describeError } from '../output.ts';
import { type PlannedFile, planOutputs, STDIN } from '../output-plan.ts';
import { stopOnSignals } from '../stop-on-signals.ts';

interface TranscribeFlags {
  readonly format: ResponseFormat;
  readonly output?: string;
  readonly model?: string;
  readonly language?: string;
  readonly translate?: boolean;
  readonly prompt?: string;
  readonly keywords?: readonly string[];
  readonly temperature?: number;
  readonly quiet?: boolean;
}

export function addTranscribeCommand(program: Command, finish: (code: ExitCode) => void): void {
  const command = program
    .command('transcribe')
    .description('Transcribe audio or video files on this machine; no server is needed')
    .argument('<file...>', 'files to transcribe; - reads one from standard input')
    .addOption(new Option('-f, --format <format>', 'what to write').choices(RESPONSE_FORMATS).default('text'))
    .option('-o, --output <path>', 'file to write, or folder for several; default standard output')
    .option('-m, --model <name>', 'model or alias')
    .option('-l, --language <code>', 'ISO 639-1 code of the spoken language; default the choice of the model')
    .option('--translate', 'English text for speech in another language, by a model that can')
    .option('--prompt <text>', 'names and words to expect, where the model can use them')
    .option(
      '--keywords <list>',
      'names and terms to prefer, comma separated, where the model can use them; may be given again',
      collectKeywords,
    )
    .option(
      '--temperature <number>',
      '0 (default) always takes the likeliest words; up to 1',
      parseTemperature,
    )
    .option('-q, --quiet', 'no progress on standard error')
    .addHelpText('after', EXIT_CODE_HELP);
  addConfigFlags(command, [
    'engineProcesses',
    'maxAudioSeconds',
    'dataDir',
    'ffmpeg',
    'modelsDir',
    'aliases',
    'whisperThreads',
    'whisperVariant',
  ]);
  command.action(async (files: string[], flags: TranscribeFlags) =>
    finish(await transcribeFiles(files, flags)),
  );
}

function parseTemperature(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('Expected a number from 0 to 1.');
  return value;
}

function collectKeywords(text: string, before: readonly string[] = []): readonly string[] {
  const keywords = text.split(',').map((keyword) => keyword.trim());
  return [...before, ...keywords.filter((keyword) => keyword !== '')];
}

const TIMED_FORMATS: ReadonlySet<string> = new Set(['srt', 'vtt']);

/** Transcribes one file after another; a bad one does not stop the others. Throws for what concerns them all. */
async function transcribeFiles(inputs: readonly string[], flags: TranscribeFlags): Promise<ExitCode> {
  const config = configFrom({ ...flags }, { STENO_LOG_LEVEL: 'silent' });
  const outputIsFolder = flags.output !== undefined && (await isFolder(flags.output));
  const plan = planOutputs(inputs, { format: flags.format, output: flags.output, outputIsFolder });
  const stop = stopOnSignals();
  // One recording at a time: nobody to let pass, and one model.
  const services = await createServices(
    { ...config, engineExpress: false, preload: [] },
    {
      logger: createLogger(config.logLevel, process.stderr),
      store: 'memory',
    },
  );
  let code: ExitCode = EXIT_CODES.ok;
  try {
    const { id } = services.models.resolve(flags.model ?? config.defaultModel);
    const { prompt, keywords, temperature } = flags;
    const language = flags.language && (languageCode(flags.language) ?? flags.language.toLowerCase());
    const options = {
      model: id,
      task: flags.translate === true ? ('translate' as const) : ('transcribe' as const),
      language,
      prompt,
      keywords,
      temperature,
      // Subtitles start when their words do.
      words: TIMED_FORMATS.has(flags.format) && services.transcriber.abilities(id).words,
      signal: stop.signal,
    };
    for (const file of plan) {
      const ended = await transcribeFile(file, { services, flags, options });
      if (code === EXIT_CODES.ok) code = ended;
      if (stop.signal.aborted || ended === EXIT_CODES.model) break;
    }
  } finally {
    await services.close();
  }
  return stop.code() ?? code;
}

interface FileWork {
  readonly services: Services;
  readonly flags: TranscribeFlags;
  readonly options: TranscribeOptions;
}

async function transcribeFile(file: PlannedFile, work: FileWork): Promise<ExitCode> {
  const label = file.input === STDIN ? 'standard input' : file.input;
  try {
    const transcript = await transcribeInput(file.input, label, work);
    for (const warning of transcript.warnings) process.stderr.write(`steno: warning: ${warning}\n`);
    await writeResult(file.outputPath, renderTranscript(transcript, work.flags.format).body);
    return EXIT_CODES.ok;
  } catch (error) {
    const aborted = work.options.signal?.aborted === true;
    process.stderr.write(`steno: ${label}: ${aborted ? 'interrupted.' : describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

async function transcribeInput(
  input: string,
  label: string,
  { services, flags, options }: FileWork,
): Promise<Transcript> {
  await using folder = await services.scratch.create();
  const source =
    input === STDIN ? await saveStandardInput(folder.path, options.signal) : await openInput(input);
  const progress = createProgress({ stream: process.stderr, label });
  const startMs = performance.now();
  const transcript = await collectTranscript(services.transcriber.transcribe(source, options), (event) => {
    if (flags.quiet !== true) progress.update(event);
  });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  if (flags.quiet !== true)
    progress.finish(`${label}: ${transcript.durationSecond.toFixed(1)} s of audio in ${seconds} s`);
  return transcript;
}

async function openInput(path: string): Promise<AudioSource> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputFileError(
      error.code === 'ENOENT' ? 'there is no such file.' : `it cannot be read (${error.code}).`,
      error,
    );
  });
  if (!facts.isFile()) throw new InputFileError('it is no file.');
  return { path, sizeBytes: facts.size };
}

/** Decoders need a file they can seek in. */
async function saveStandardInput(folder: string, signal: AbortSignal | undefined): Promise<AudioSource> {
  const path = join(folder, 'stdin');
  await pipeline(process.stdin, createWriteStream(path), { ...(signal === undefined ? {} : { signal }) });
  return { path, sizeBytes: (await stat(path)).size };
}

/** A result file appears whole or not at all. */
async function writeResult(path: string | undefined, body: string): Promise<void> {
  const text = body.endsWith('\n') || body === '' ? body : `${body}\n`;
  if (path === undefined) {
    process.stdout.write(text);
    return;
  }
  const part = `${path}.${process.pid}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(part, text);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw new OutputFileError(
      `the result cannot be written to ${path} (${(error as NodeJS.ErrnoException).code}).`,
      error,
    );
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
