import { z } from 'zod';

export const modelStateResponse = z
  .object({
    id: z.string().describe("The model's own id."),
    object: z.literal('model'),
    state: z.enum(['loaded', 'loading', 'ready', 'failed']).describe('`ready`: not in memory, loads on use.'),
  })
  .describe('What became of a model that was to be loaded or unloaded.');

export type ModelStateResponse = z.infer<typeof modelStateResponse>;
