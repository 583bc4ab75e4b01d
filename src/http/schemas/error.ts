import { z } from 'zod';

/** The one shape of every error answer; all four keys are always there. */
export const errorResponse = z
  .object({
    error: z.object({
      message: z.string().describe('What was expected, what came, and what to do.'),
      type: z.string().describe('invalid_request_error, server_error or requests.'),
      param: z.string().nullable().describe('The request field at fault.'),
      code: z.string().nullable().describe('Stable name of the cause.'),
    }),
  })
  .describe('An error.');

export type ErrorResponse = z.infer<typeof errorResponse>;
