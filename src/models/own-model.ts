import { InvalidRequestError } from '../errors.ts';
import { LANGUAGE_NAMES } from '../formats/language-names.ts';
import type { ModelEntry } from './catalog.ts';
import { modelSchema } from './catalog-schema.ts';
import { readWhisperHeader, type WhisperHeader, wrongKind, wrongNetwork } from './file-magic.ts';
import { ModelImportError } from './import-error.ts';
import type { ImportedFile } from './import-files.ts';
import type { Match } from './import-match.ts';
import { isModelId } from './manifest.ts';
import { nearestNames } from './near-names.ts';

/** What its owner says of a model that is in no catalogue. */
export interface OwnModelFacts {
  /** Must be given, so that a mistyped id is not taken for a new model. */
  readonly engine?: 'whisper-cpp' | undefined;
  /** Default `whisper`. */
  readonly architecture?: 'whisper' | 'parakeet' | undefined;
  /** Default: those of the published model of its kind. */
  readonly languages?: readonly string[] | undefined;
  readonly licence?: string | undefined;
  readonly title?: string | undefined;
}

/** What names must not collide with. */
export interface TakenNames {
  /** The catalogue. */
  readonly models: readonly ModelEntry[];
  /** Ids of what is installed. */
  readonly ownIds: readonly string[];
}

/** `GET /v1/models/pull` is the list of downloads. */
const RESERVED = 'pull';

/**
 * Describes somebody's own ggml model, by its header and by the published models of its kind. Throws ModelImportError for files that
 * are none, and InvalidRequestError for a name that is taken or cannot be one.
 */
export async function describeOwnModel(
  id: string,
  facts: OwnModelFacts,
  found: readonly ImportedFile[],
  { models, ownIds }: TakenNames,
): Promise<Match> {
  checkName(id, facts, { models, ownIds });
  for (const field of ['title', 'licence'] as const) checkText(field, facts[field]);
  const source = onlyModelFile(found);
  const trouble = await wrongKind(source.path, source.name);
  if (trouble !== undefined) throw new ModelImportError(`${trouble}.`);
  const architecture = facts.architecture ?? 'whisper';
  const wrong = await wrongNetwork(source.path, source.relativePath, architecture);
  if (wrong !== undefined)
    throw new ModelImportError(
      architecture === 'whisper'
        ? `${wrong}. If it is a Parakeet model, say --architecture parakeet.`
        : `${wrong}: leave --architecture parakeet out.`,
    );
  const header = architecture === 'whisper' ? await readWhisperHeader(source.path) : undefined;
  const parsed = modelSchema.parse({
    id,
    title: facts.title ?? id,
    aliases: [],
    engine: 'whisper-cpp',
    architecture,
    bundled: false,
    created: Math.floor(Date.now() / 1000),
    ownedBy: 'imported',
    licence: facts.licence ?? 'unknown',
    languages: languagesOf(facts.languages, header, models),
    abilities: {
      translate: header?.multilingual === true && !isTurbo(header),
      words: true,
      prompt: architecture === 'whisper',
    },
    memoryBytes: memoryOf(source.sizeBytes),
    memoryFrom: 'estimate',
    speed: speedOf(header),
    facts: [],
    files: [{ name: 'model.bin', sizeBytes: source.sizeBytes }],
  });
  const model = { ...parsed, languages: [parsed.languages].flat() } as ModelEntry;
  return { model, files: model.files.map((file) => ({ file, source })) };
}

function checkName(id: string, { engine }: OwnModelFacts, { models, ownIds }: TakenNames): void {
  const names = models.flatMap((model) => [model.id, ...model.aliases]);
  if (names.some((name) => name.toLowerCase() === id.toLowerCase()))
    throw new InvalidRequestError('as', `The name '${id}' is too much like one of the catalogue.`);
  if (!isModelId(id))
    throw new InvalidRequestError(
      'as',
      'A model id is made of letters, digits, "_", "-" and ".", in one or two parts joined by "/", at most 128 characters.',
    );
  if (id.toLowerCase() === RESERVED)
    throw new InvalidRequestError('as', `The name '${id}' is that of a path of the server.`);
  // On some disks both would be one folder.
  const alike = ownIds.find((own) => own !== id && own.toLowerCase() === id.toLowerCase());
  if (alike !== undefined)
    throw new InvalidRequestError('as', `The name '${id}' is too much like '${alike}', which is here.`);
  if (engine !== undefined) return;
  const near = nearestNames(id, names);
  throw new InvalidRequestError(
    'as',
    `The catalogue has no model '${id}'.${near.length === 0 ? '' : ` Did you mean ${near.join(', ')}?`} For a model of your own say --engine whisper-cpp too.`,
  );
}

/** They are shown in tables and on terminals. */
function checkText(field: 'title' | 'licence', text: string | undefined): void {
  if (text === undefined || /^[^\p{Cc}\p{Cf}]{1,200}$/u.test(text)) return;
  throw new InvalidRequestError(
    field,
    `The ${field} must have 1 to 200 characters, none of them a control character.`,
  );
}

function onlyModelFile(found: readonly ImportedFile[]): ImportedFile {
  const [file, another] =
    found.length === 1 ? found : found.filter(({ name }) => /\.(bin|ggml)$/i.test(name));
  if (file === undefined) throw new ModelImportError('there is no .bin file, the name of ggml models.');
  if (another !== undefined)
    throw new ModelImportError('there is more than one .bin file: name the one that is the model.');
  return file;
}

/** `--languages`, or what the published models with this vocabulary know: their lists grew with the vocabulary (51,864; 51,865; 51,866). */
function languagesOf(
  given: readonly string[] | undefined,
  header: WhisperHeader | undefined,
  models: readonly ModelEntry[],
): readonly string[] {
  if (given !== undefined) {
    const unknown = given.filter((code) => !Object.hasOwn(LANGUAGE_NAMES, code));
    if (given.length > 0 && unknown.length === 0) return [...new Set(given)];
    throw new InvalidRequestError(
      'languages',
      `Expected codes such as en,de,fr${unknown.length === 0 ? '' : `, not ${unknown.join(', ')}`}.`,
    );
  }
  if (header !== undefined && !header.multilingual) return ['en'];
  const kind = models.filter(
    ({ architecture, languages }) =>
      architecture === (header === undefined ? 'parakeet' : 'whisper') && languages.length > 1,
  );
  const grown = kind.sort((left, right) => left.languages.length - right.languages.length);
  const [first, last] = [grown[0], grown.at(-1)];
  const model = header !== undefined && header.vocabularySize > 51_865 ? last : first;
  if (model === undefined) throw new InvalidRequestError('languages', 'Say the languages with --languages.');
  return model.languages;
}

/** The turbo models have as many encoder layers as the large one and four of the decoder; they were not trained to translate. */
function isTurbo({ audioLayers, textLayers }: WhisperHeader): boolean {
  return audioLayers >= 32 && textLayers <= 4;
}

/** whisper.cpp's README lists file and memory of its models: from 75 and 273 MiB (tiny) to 2.9 and 3.9 GiB (large). */
function memoryOf(fileBytes: number): number {
  return Math.round(fileBytes * 1.3 + 200_000_000);
}

function speedOf(header: WhisperHeader | undefined): ModelEntry['speed'] {
  if (header === undefined) return 'medium';
  if (header.audioLayers <= 6) return 'fast';
  return header.audioLayers <= 12 ? 'medium' : 'slow';
}
