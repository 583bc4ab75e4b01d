import { z } from 'zod';

export const modelPullRequest = z
  .strictObject({
    model: z.string().min(1).max(200).describe('Id or alias of a model of the catalogue.'),
    stream: z.boolean().default(false).describe('Answer with server-sent events until it is done.'),
    accept_licence: z
      .boolean()
      .default(false)
      .describe('You may use the model under its licence; needed where that restricts the use.'),
    force: z.boolean().default(false).describe('Download it again although it is here.'),
  })
  .describe('A model to download.');

export const modelPullResponse = z
  .object({
    object: z.literal('model.pull'),
    model: z.string(),
    status: z
      .enum(['waiting', 'downloading', 'installed', 'failed', 'cancelled'])
      .describe(
        '`waiting`: another process downloads it; `cancelled`: by DELETE, or the server was shut down.',
      ),
    received_bytes: z.int(),
    total_bytes: z.int().describe('0: not known yet.'),
    started_at: z.int().describe('Unix seconds.'),
    finished_at: z.int().nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .describe('A download of a model, running or over.');

export const modelPullListResponse = z.object({
  object: z.literal('list'),
  data: z.array(modelPullResponse),
});

/** A line of the stream; the last one before `[DONE]` is `model.pull.done`, or an error. */
export const modelPullEvent = z.object({
  type: z.enum(['model.pull.progress', 'model.pull.done']),
  pull: modelPullResponse,
});

export const modelDeletedResponse = z
  .object({ id: z.string(), object: z.literal('model'), deleted: z.literal(true), freed_bytes: z.int() })
  .describe('As OpenAI answers, and how much of the disk is free again.');

export const modelVerificationResponse = z
  .object({
    object: z.literal('model.verification'),
    model: z.string(),
    ok: z.boolean().describe('All files are what they were when they came.'),
    outdated: z.boolean().describe('The catalogue has other files by now; a pull fetches them.'),
    files: z.array(z.object({ name: z.string(), ok: z.boolean(), problem: z.string().nullable() })),
  })
  .describe('What reading all files of a model showed.');

export type ModelPullResponse = z.infer<typeof modelPullResponse>;
export type ModelPullListResponse = z.infer<typeof modelPullListResponse>;
export type ModelPullEvent = z.infer<typeof modelPullEvent>;
export type ModelDeletedResponse = z.infer<typeof modelDeletedResponse>;
export type ModelVerificationResponse = z.infer<typeof modelVerificationResponse>;
