import { z } from 'zod';

export const modelResponse = z
  .object({
    id: z.string().describe('Name to send as `model`.'),
    object: z.literal('model'),
    created: z.int().describe('Unix seconds.'),
    owned_by: z.string(),
  })
  .describe('A model or an alias of one.');

export const modelListResponse = z.object({ object: z.literal('list'), data: z.array(modelResponse) });

export type ModelResponse = z.infer<typeof modelResponse>;
export type ModelListResponse = z.infer<typeof modelListResponse>;
