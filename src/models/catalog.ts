import { z } from 'zod';
import { ConfigError, ModelNotFoundError } from '../errors.ts';
import catalogFile from './catalog.json' with { type: 'json' };

const fileSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/),
  sizeBytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const modelSchema = z.strictObject({
  id: z.string().regex(/^[\w.-]+(\/[\w.-]+)?$/),
  aliases: z.array(z.string()),
  engine: z.enum(['moonshine', 'whisper-cpp']),
  /** Which of the engine's networks, where it has several. */
  architecture: z.enum(['whisper', 'parakeet']).optional(),
  /** Shipped in the package; all others are downloaded or imported. */
  bundled: z.boolean().default(false),
  /** Unix seconds of the weights' publication. */
  created: z.int(),
  ownedBy: z.string(),
  licence: z.string(),
  /** ISO 639-1 codes. */
  languages: z.array(z.string()).min(1),
  abilities: z.strictObject({ translate: z.boolean(), words: z.boolean(), prompt: z.boolean() }),
  /** Memory of one process that has it loaded and works, in bytes; an estimate where the publisher gives none. */
  memoryBytes: z.int().positive(),
  /** How long it takes on a CPU, roughly. */
  speed: z.enum(['fast', 'medium', 'slow']),
  files: z.array(fileSchema).min(1),
});

const catalogSchema = z.strictObject({
  models: z.array(modelSchema).min(1),
  vad: z.strictObject({ id: z.string(), licence: z.string(), files: z.array(fileSchema).length(1) }),
});

export type ModelEntry = Readonly<z.infer<typeof modelSchema>>;
export type ModelFile = Readonly<z.infer<typeof fileSchema>>;

/** The models this package knows, checked when the module loads. */
export const CATALOG = catalogSchema.parse(catalogFile);

/** Those that are here without a download. */
export const BUNDLED_MODELS: readonly ModelEntry[] = CATALOG.models.filter(({ bundled }) => bundled);

/** One name that can stand in a request's `model` field. */
export interface ModelName {
  readonly name: string;
  readonly model: ModelEntry;
}

export interface ModelRegistry {
  /** Every usable name: ids first, then aliases. */
  list(): readonly ModelName[];
  /** Resolves an id or alias. Throws ModelNotFoundError with the names there are. */
  resolve(name: string): ModelEntry;
}

/** Names from the catalogue and the configuration; configured aliases win over the catalogue's. Throws ConfigError for a dangling one. */
export function createModelRegistry(
  models: readonly ModelEntry[],
  configuredAliases: Readonly<Record<string, string>> = {},
): ModelRegistry {
  const ids = new Map(models.map((model) => [model.id, model]));
  const names = new Map(ids);
  for (const model of models) for (const alias of model.aliases) names.set(alias, model);
  for (const [alias, target] of Object.entries(configuredAliases)) {
    const model = ids.get(target);
    if (model === undefined)
      throw new ConfigError(
        `The alias ${alias} names the model ${target}, which is none of ${[...ids.keys()].join(', ')}.`,
      );
    names.set(alias, model);
  }
  return {
    list: () => [...names].map(([name, model]) => ({ name, model })),
    resolve(name) {
      const model = names.get(name);
      if (model === undefined) throw new ModelNotFoundError(name, [...names.keys()]);
      return model;
    },
  };
}
