import { z } from 'zod';

/** A file or folder name that leads nowhere else, on any system: no separators, no leading dot. */
const NAME = /^\w[\w.-]*$/;
/** Id of a commit, in full. */
export const COMMIT = /^[0-9a-f]{40}$/;

export const fileSchema = z.strictObject({
  /** In the model's folder. */
  name: z.string().regex(NAME),
  /** In the publisher's repository, where it differs from the name. */
  path: z
    .string()
    .refine((path) => path.split('/').every((part) => NAME.test(part)))
    .optional(),
  /** Exact, from the publisher. */
  sizeBytes: z.int().positive().optional(),
  /** As the publisher's page rounds it: for tables and for what fits, never for checking a file. */
  approximateBytes: z.int().positive().optional(),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  sha1: z
    .string()
    .regex(/^[0-9a-f]{40}$/)
    .optional(),
});

export const exactFileSchema = fileSchema.required({ sizeBytes: true, sha256: true });

export const sourceSchema = z.strictObject({
  hub: z.literal('huggingface'),
  /** `owner/name`. */
  repo: z.string().regex(/^\w[\w.-]*\/\w[\w.-]*$/),
  /** Commit id of the repository; `main` only where none is known. */
  revision: z.union([z.string().regex(COMMIT), z.literal('main')]),
});

const shared = {
  id: z.string().regex(/^\w[\w.-]*(\/\w[\w.-]*)?$/),
  /** For people, with the size of the network where it belongs to the name. */
  title: z.string(),
  aliases: z.array(z.string().regex(/^\w[\w.-]*(\/\w[\w.-]*)?$/)),
  engine: z.enum(['moonshine', 'whisper-cpp']),
  /** Which of the engine's networks, where it has several. */
  architecture: z.enum(['whisper', 'parakeet']).optional(),
  /** Unix seconds of the weights' publication. */
  created: z.int(),
  ownedBy: z.string(),
  /** SPDX id, or the licence's name where it has none. */
  licence: z.string(),
  /** Always there in the catalogue, as are homepage and facts; a model that somebody imported may have none. */
  licenceUrl: z.url().optional(),
  /** What the licence forbids or asks for beyond naming the authors, in one sentence. */
  restriction: z.string().optional(),
  homepage: z.url().optional(),
  /** Weights of the network. */
  parameters: z.int().positive().optional(),
  /** Codes of formats/language-names.ts, or the name of a set in `languageSets`. */
  languages: z.union([z.string(), z.array(z.string()).min(1)]),
  abilities: z.strictObject({ translate: z.boolean(), words: z.boolean(), prompt: z.boolean() }),
  /** Memory of one process that has it loaded and works, in bytes. */
  memoryBytes: z.int().positive(),
  memoryFrom: z.enum(['measured', 'publisher', 'estimate']),
  /** How long it takes on a CPU, roughly. */
  speed: z.enum(['fast', 'medium', 'slow']),
  /** Where the publisher says this. */
  facts: z.array(z.url()),
};

export const modelSchema = z.discriminatedUnion('bundled', [
  /** Shipped in the package. */
  z.strictObject({
    ...shared,
    bundled: z.literal(true),
    files: z.array(exactFileSchema).min(1),
    source: sourceSchema.optional(),
  }),
  /** Downloaded or imported. One of the catalogue always has a source, somebody's own has none. */
  z.strictObject({
    ...shared,
    bundled: z.literal(false),
    files: z.array(fileSchema).min(1),
    source: sourceSchema.optional(),
  }),
]);
