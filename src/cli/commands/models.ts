import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../../config.ts';
import type { ImportRequest } from '../../models/import.ts';
import type { ModelLibrary } from '../../models/library.ts';
import { findBundledModels } from '../../services/find-bundled-models.ts';
import { openModelLibrary } from '../../services/open-library.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { EXIT_CODE_HELP, EXIT_CODES, type ExitCode, exitCodeOf } from '../exit-codes.ts';
import { listModels } from '../list-models.ts';
import { createByteProgress, describeError, formatBytes } from '../output.ts';
import { type Stop, stopOnSignals } from '../stop-on-signals.ts';

interface PullFlags {
  readonly acceptLicence?: boolean;
  readonly force?: boolean;
  readonly quiet?: boolean;
}

type ImportFlags = Pick<
  ImportRequest,
  'as' | 'engine' | 'architecture' | 'languages' | 'licence' | 'title'
> & { readonly quiet?: boolean };

/** Models are files in the data folder; a running server sees what is pulled, imported or removed at once. */
export function addModelsCommand(program: Command, finish: (code: ExitCode) => void): void {
  const models = program
    .command('models')
    .description('List, download, import, check and remove models; the server may be running');

  const list = models
    .command('list')
    .description('Models that can be used; with --all those that can be pulled too')
    .option('-a, --all', 'also the models of the catalogue that are not here')
    .option('--json', 'as JSON');
  settings(list).action(async (flags: { all?: boolean; json?: boolean }) =>
    withLibrary(flags, finish, async (library) => {
      process.stdout.write(listModels(library, flags));
      return EXIT_CODES.ok;
    }),
  );

  const pull = models
    .command('pull')
    .description('Download models from the hub, checked; what was cut is continued')
    .argument('<model...>', 'ids or aliases of steno models list --all')
    .option('--accept-licence', 'you may use the model under its licence, where that restricts the use')
    .option('--force', 'download it again although it is here')
    .option('-q, --quiet', 'no progress on standard error');
  settings(pull, ['offline', 'diskReserveBytes']).action(async (names: string[], flags: PullFlags) =>
    withLibrary(flags, finish, (library, stop) => eachModel(names, stop, pullModel(library, flags, stop))),
  );

  const importing = models
    .command('import')
    .description('Take a model from a file or folder of this machine; nothing is downloaded')
    .argument('<path>', 'a model file, or a folder with the files of one model')
    .option('--as <id>', 'which model it is, where the files do not tell, or a name for a model of your own')
    .addOption(new Option('--engine <engine>', 'for a model of your own').choices(['whisper-cpp']))
    .addOption(
      new Option('--architecture <name>', 'the same; default whisper').choices(['whisper', 'parakeet']),
    )
    .option('--languages <codes>', 'the same: comma separated; default all of its kind', parseLanguages)
    .option('--licence <name>', 'the same: its licence')
    .option('--title <text>', 'the same: its name for people')
    .option('-q, --quiet', 'no progress on standard error');
  settings(importing, ['diskReserveBytes']).action(async (path: string, flags: ImportFlags) =>
    withLibrary(flags, finish, (library, stop) => importModel(library, path, flags, stop)),
  );

  const remove = models
    .command('remove')
    .alias('rm')
    .description('Delete downloaded and imported models, and what is left of broken downloads')
    .argument('<model...>', 'ids of steno models list');
  settings(remove).action(async (names: string[], flags: Record<string, unknown>) =>
    withLibrary(flags, finish, (library, stop) => eachModel(names, stop, removeModel(library))),
  );

  const verify = models
    .command('verify')
    .description('Read all files of models and compare them with their hashes')
    .argument('[model...]', 'ids; default all that are here');
  settings(verify).action(async (names: string[], flags: Record<string, unknown>) =>
    withLibrary(flags, finish, (library, stop) =>
      eachModel(names.length > 0 ? names : idsHere(library), stop, verifyModel(library, stop)),
    ),
  );
}

function settings(command: Command, more: Parameters<typeof addConfigFlags>[1] = []): Command {
  return addConfigFlags(command.addHelpText('after', EXIT_CODE_HELP), ['dataDir', 'modelsDir', ...more]);
}

function parseLanguages(text: string): string[] {
  const codes = text
    .split(',')
    .map((code) => code.trim().toLowerCase())
    .filter((code) => code !== '');
  if (codes.length === 0) throw new InvalidArgumentError('Expected codes such as en,de,fr.');
  return codes;
}

async function withLibrary(
  flags: object,
  finish: (code: ExitCode) => void,
  work: (library: ModelLibrary, stop: Stop) => Promise<ExitCode>,
): Promise<void> {
  const config: Config = configFrom({ ...flags });
  const stop = stopOnSignals();
  const library = openModelLibrary(config, {
    bundledDir: findBundledModels(config.modelsDir),
    environment: process.env,
  });
  for (const { path, code } of library.unreadable())
    process.stderr.write(
      `steno: ${path} cannot be read by this user (${code}): models there are not seen.\n`,
    );
  try {
    const code = await work(library, stop);
    finish(stop.code() ?? code);
  } catch (error) {
    const code = stop.code();
    if (code === undefined) throw error;
    process.stderr.write('steno: interrupted.\n');
    finish(code);
  } finally {
    await library.close();
  }
}

/** One after another; a failure does not stop the others, and the code is that of the first. */
async function eachModel(
  names: readonly string[],
  stop: Stop,
  work: (name: string) => Promise<ExitCode>,
): Promise<ExitCode> {
  let code: ExitCode = EXIT_CODES.ok;
  for (const name of names) {
    const ended = await work(name).catch((error: unknown) => {
      const text = stop.signal.aborted
        ? 'interrupted; the next pull goes on from here.'
        : describeError(error);
      process.stderr.write(`steno: ${printable(name)}: ${text}\n`);
      return exitCodeOf(error);
    });
    if (code === EXIT_CODES.ok) code = ended;
    if (stop.signal.aborted) break;
  }
  return code;
}

/** A name as somebody typed it, for the terminal. */
function printable(name: string): string {
  return name.replace(/\p{C}/gu, '?').slice(0, 128);
}

function pullModel(library: ModelLibrary, { acceptLicence, force, quiet }: PullFlags, { signal }: Stop) {
  return async (name: string): Promise<ExitCode> => {
    const model = library.resolve(name);
    const before = library.get(model.id);
    const progress = createByteProgress({ stream: process.stderr, label: model.id });
    const startMs = performance.now();
    let fetched = 0;
    const installed = await library.install(model.id, {
      signal,
      acceptLicence: acceptLicence === true,
      force: force === true,
      onProgress({ receivedBytes, totalBytes, state }) {
        fetched = Math.max(fetched, receivedBytes);
        const note = state === 'waiting' ? 'another process downloads it' : undefined;
        if (quiet !== true) progress.update({ receivedBytes, totalBytes, note });
      },
    });
    const terms = licenceText(model);
    if (fetched === 0 && before !== undefined)
      progress.finish(`${model.id}: is here already (${formatBytes(installed.sizeBytes)}). ${terms}`);
    else {
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      progress.finish(
        `${model.id}: installed, ${formatBytes(installed.sizeBytes)} in ${seconds} s, checked. ${terms}`,
      );
    }
    return EXIT_CODES.ok;
  };
}

async function importModel(
  library: ModelLibrary,
  path: string,
  { quiet, ...facts }: ImportFlags,
  { signal }: Stop,
): Promise<ExitCode> {
  const { as, engine, architecture, languages, licence, title } = facts;
  const progress = createByteProgress({ stream: process.stderr, label: path });
  const { entry, sizeBytes, unchecked } = await library.importModel({
    path,
    as,
    engine,
    architecture,
    languages,
    licence,
    title,
    signal,
    onProgress(event) {
      if (quiet !== true) progress.update(event);
    },
  });
  progress.finish(`${entry.id}: imported, ${formatBytes(sizeBytes)}. ${licenceText(entry)}`);
  if (unchecked.length > 0)
    process.stderr.write(
      `The catalogue has no hash of ${unchecked.join(', ')}: kept as it was found, and from now on steno models verify tells when it changes.\n`,
    );
  return EXIT_CODES.ok;
}

function licenceText({ licence, licenceUrl, restriction }: ReturnType<ModelLibrary['resolve']>): string {
  const where = licenceUrl === undefined ? '' : `, ${licenceUrl}`;
  return `Licence: ${licence}${where}${restriction === undefined ? '' : `. ${restriction}`}`;
}

function removeModel(library: ModelLibrary) {
  return async (name: string): Promise<ExitCode> => {
    const { id, freedBytes } = await library.remove(name);
    process.stderr.write(`${id}: removed, ${formatBytes(freedBytes)} freed.\n`);
    return EXIT_CODES.ok;
  };
}

/** Damaged ones too: they are what it is for. */
function idsHere(library: ModelLibrary): string[] {
  return [...new Set([...library.installed().map(({ entry }) => entry.id), ...library.idsOnDisk()])];
}

function verifyModel(library: ModelLibrary, { signal }: Stop) {
  return async (name: string): Promise<ExitCode> => {
    const { model, ok, files, outdated } = await library.verify(name, signal);
    const problems = files.flatMap(({ name: file, problem }) =>
      problem === undefined ? [] : [`${model}: ${file}: ${problem}\n`],
    );
    if (ok)
      process.stdout.write(
        `${model}: ok, ${files.length === 1 ? '1 file' : `${files.length} files`}${outdated ? '; the catalogue has a newer version: steno models pull fetches it' : ''}\n`,
      );
    else
      process.stdout.write(
        `${problems.join('')}${model}: damaged. Mend it with: steno models pull ${model} --force, or import it again\n`,
      );
    return ok ? EXIT_CODES.ok : EXIT_CODES.model;
  };
}
