import { z } from 'zod';

export const modelResponse = z
  .object({
    id: z.string().describe('Name to send as `model`.'),
    object: z.literal('model'),
    created: z.int().describe('Unix seconds.'),
    owned_by: z.string(),
    state: z
      .enum(['loaded', 'loading', 'ready', 'failed', 'downloading', 'downloadable', 'upstream'])
      .describe(
        '`loaded`, `loading`; `ready`: installed, loads on use; `failed`: its last load failed; `downloading`, `downloadable`: not ' +
          'installed, a transcription is answered 404; `upstream`: another service computes it.',
      ),
    state_reason: z.string().optional().describe('Why it `failed`.'),
    model: z.string().optional().describe('Id of the local model that the name means first.'),
    targets: z
      .array(z.string())
      .optional()
      .describe('What computes it, in the order tried: local models and `upstream/model`.'),
    title: z.string().optional(),
    languages: z.array(z.string()).optional().describe('ISO 639 codes.'),
    abilities: z
      .array(
        z.enum([
          'transcribe',
          'translate',
          'streaming',
          'words',
          'logprobs',
          'prompt',
          'keywords',
          'language_detection',
        ]),
      )
      .optional(),
    licence: z.string().optional().describe('SPDX id or name.'),
    licence_url: z.string().optional(),
    licence_restriction: z
      .string()
      .optional()
      .describe('What the licence forbids, where it forbids something.'),
    size_bytes: z.int().optional().describe('On disk; rounded while it is not installed.'),
    memory_bytes: z.int().optional().describe('While loaded and at work, roughly.'),
    speed: z.enum(['fast', 'medium', 'slow']).optional().describe('On a CPU, roughly.'),
  })
  .describe('A model or an alias of one. What is not known of an upstream model is left out.');

export const modelListResponse = z.object({ object: z.literal('list'), data: z.array(modelResponse) });

/** What `include` may ask for besides the usable names. */
export const modelListInclude = z.enum(['downloadable']);

export type ModelResponse = z.infer<typeof modelResponse>;
export type ModelListResponse = z.infer<typeof modelListResponse>;
