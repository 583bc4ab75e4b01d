import { z } from 'zod';
import { LANGUAGE_NAMES } from '../formats/language-names.ts';
import catalogFile from './catalog.json' with { type: 'json' };
import {
  COMMIT,
  exactFileSchema,
  type fileSchema,
  modelSchema,
  type sourceSchema,
} from './catalog-schema.ts';

const catalogSchema = z
  .strictObject({
    languageSets: z.record(z.string(), z.array(z.string()).min(1)),
    models: z.array(modelSchema).min(1),
    vad: z.strictObject({ id: z.string(), licence: z.string(), files: z.array(exactFileSchema).length(1) }),
  })
  .transform(({ languageSets, models, vad }) => ({
    models: models.map((model) => ({ ...model, languages: languagesOf(model.languages, languageSets) })),
    vad,
  }))
  .superRefine(({ models }, context) => {
    for (const trouble of [...refuseNames(models), ...models.flatMap(refuseModel)])
      context.addIssue({ code: 'custom', message: trouble });
  });

export type Catalog = Readonly<z.output<typeof catalogSchema>>;
export type ModelEntry = Readonly<Catalog['models'][number]>;
export type BundledModel = Extract<ModelEntry, { bundled: true }>;
export type ModelFile = Readonly<z.infer<typeof fileSchema>>;
/** A file whose size and hash are known without asking anybody. */
export type ExactFile = Readonly<z.infer<typeof exactFileSchema>>;
export type ModelSource = Readonly<z.infer<typeof sourceSchema>>;

/** Checks a catalogue's text. Throws ZodError with everything that is wrong. */
export function parseCatalog(value: unknown): Catalog {
  return catalogSchema.parse(value);
}

/** The models this package knows, checked when the module loads. */
export const CATALOG: Catalog = parseCatalog(catalogFile);

/** Those that are here without a download. */
export const BUNDLED_MODELS: readonly BundledModel[] = CATALOG.models.filter((model) => model.bundled);

/** Bytes on disk, rounded where the publisher rounds. */
export function bytesOf({ files }: { readonly files: readonly ModelFile[] }): number {
  return files.reduce(
    (sum, { sizeBytes, approximateBytes }) => sum + (sizeBytes ?? approximateBytes ?? 0),
    0,
  );
}

function languagesOf(
  languages: string | readonly string[],
  sets: Readonly<Record<string, readonly string[]>>,
): readonly string[] {
  return typeof languages === 'string' ? (sets[languages] ?? [languages]) : languages;
}

/** Ids and aliases stand in one field of a request, so none may mean two models. */
function refuseNames(models: readonly ModelEntry[]): string[] {
  const seen = new Set<string>();
  return models.flatMap(({ id, aliases }) =>
    [id, ...aliases].flatMap((name) => {
      const again = seen.has(name.toLowerCase());
      seen.add(name.toLowerCase());
      return again ? [`${id}: the name ${name} is taken`] : [];
    }),
  );
}

function refuseModel(model: ModelEntry): string[] {
  const { id, languages, files, source, bundled } = model;
  const unknown = languages.filter((code) => !Object.hasOwn(LANGUAGE_NAMES, code));
  const names = new Set(files.map(({ name }) => name.toLowerCase()));
  const isPinned = bundled || COMMIT.test(source?.revision ?? '');
  return [
    ...(bundled || source !== undefined ? [] : [`${id}: there is no source to download it from`]),
    ...(model.licenceUrl === undefined || model.homepage === undefined || model.facts.length === 0
      ? [`${id}: licenceUrl, homepage and facts must say where this is known from`]
      : []),
    ...unknown.map((code) => `${id}: ${code} is no code of formats/language-names.ts`),
    ...(new Set(languages).size === languages.length ? [] : [`${id}: a language stands there twice`]),
    ...(names.size === files.length ? [] : [`${id}: two files have one name`]),
    ...files.flatMap((file) => [
      ...(file.sizeBytes === undefined && file.approximateBytes === undefined
        ? [`${id}: ${file.name} has neither an exact nor an approximate size`]
        : []),
      ...(isPinned || file.sha256 !== undefined || file.sha1 !== undefined
        ? []
        : [`${id}: ${file.name} has no hash and its repository no commit`]),
    ]),
  ];
}
