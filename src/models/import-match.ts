import type { ModelEntry, ModelFile } from './catalog.ts';
import { differenceFrom, digestFile, type FileDigest } from './file-check.ts';
import { ModelImportError } from './import-error.ts';
import type { ImportedFile } from './import-files.ts';

/** A model, and which of the files found is which of its own. */
export interface Match {
  readonly model: ModelEntry;
  readonly files: readonly { readonly file: ModelFile; readonly source: ImportedFile }[];
}

/** Publishers' pages round sizes, some to two digits, some in other units. */
const ROUNDING = 0.06;

/**
 * Which of the models the files are: by names and sizes, and where several fit, by hashes. Throws ModelImportError when none fits, or
 * when more than one does and nothing tells them apart.
 */
export async function chooseModel(
  found: readonly ImportedFile[],
  models: readonly ModelEntry[],
  { named }: { readonly named: boolean },
): Promise<Match> {
  const matches = models
    .filter(({ bundled }) => !bundled)
    .flatMap((model) => matchFiles(model, found, named) ?? []);
  const [only] = matches;
  if (only === undefined) throw noMatch(found, models, named);
  if (matches.length === 1) return only;
  const graded = await gradeByHash(matches);
  const best = graded.filter(({ grade }) => grade === Math.max(...graded.map((match) => match.grade)));
  const [winner] = best;
  if (winner !== undefined && best.length === 1) return winner.match;
  const candidates = (best.length > 0 ? best.map(({ match }) => match) : matches).map(
    ({ model }) => model.id,
  );
  throw new ModelImportError(
    best.length === 0
      ? `the files look like ${candidates.join(', ')}, but their hashes are those of none.`
      : `the files may be ${candidates.join(', ')}. Say which with --as.`,
  );
}

function matchFiles(model: ModelEntry, found: readonly ImportedFile[], named: boolean): Match | undefined {
  const files = model.files.map((file) => {
    const source = bestSource(file, model, found);
    return source !== undefined && (named || fitsSize(file, source)) ? { file, source } : undefined;
  });
  const whole = files.filter((pair) => pair !== undefined);
  return whole.length === model.files.length ? { model, files: whole } : undefined;
}

/** The file at the publisher's path, or of the right name; a single file may have been renamed. */
function bestSource(
  file: ModelFile,
  model: ModelEntry,
  found: readonly ImportedFile[],
): ImportedFile | undefined {
  const { name, path = name } = file;
  const byPath = found.find(({ relativePath }) => relativePath === path || relativePath.endsWith(`/${path}`));
  if (byPath !== undefined) return byPath;
  const [byName, another] = found.filter((candidate) => candidate.name === name);
  if (byName !== undefined && another === undefined) return byName;
  return byName === undefined && model.files.length === 1 && found.length === 1 ? found[0] : undefined;
}

function fitsSize({ sizeBytes, approximateBytes }: ModelFile, source: ImportedFile): boolean {
  if (sizeBytes !== undefined) return source.sizeBytes === sizeBytes;
  if (approximateBytes === undefined) return true;
  return Math.abs(source.sizeBytes - approximateBytes) <= approximateBytes * ROUNDING;
}

/** Those that no hash speaks against, with how much speaks for them: hashes that are right, then names that are. */
async function gradeByHash(
  matches: readonly Match[],
): Promise<{ readonly match: Match; readonly grade: number }[]> {
  const digests = new Map<string, FileDigest>();
  const digestOf = async (path: string): Promise<FileDigest> => {
    const digest = digests.get(path) ?? (await digestFile(path, { sha1: 'wanted' }));
    digests.set(path, digest);
    return digest;
  };
  const graded = [];
  for (const match of matches) {
    let grade = 0;
    for (const { file, source } of match.files) {
      if (file.name === source.name) grade += 1;
      if (file.path !== undefined && source.relativePath.endsWith(file.path)) grade += 10;
      if (file.sha256 === undefined && file.sha1 === undefined) continue;
      grade +=
        differenceFrom(file, await digestOf(source.path)) === undefined ? 1000 : Number.NEGATIVE_INFINITY;
    }
    if (grade >= 0) graded.push({ match, grade });
  }
  return graded;
}

function noMatch(
  found: readonly ImportedFile[],
  models: readonly ModelEntry[],
  named: boolean,
): ModelImportError {
  const [model] = models;
  if (named && model !== undefined)
    return new ModelImportError(
      `of ${model.id} these files are needed: ${model.files.map(({ name, path }) => path ?? name).join(', ')}.`,
    );
  const own = found.some(({ name }) => /\.(bin|ggml)$/i.test(name))
    ? ' A ggml model of your own gets a name with --as NAME --engine whisper-cpp.'
    : '';
  return new ModelImportError(
    `the files are no model of the catalogue as far as names, sizes and hashes tell. Say which it is with --as ID (steno models list --all).${own}`,
  );
}
