import { z } from 'zod';

const day = z.iso.date({ error: 'must be a day as YYYY-MM-DD' });

/** The query of GET /v1/usage. */
export const usageQuery = z.strictObject({
  from: day.optional().describe('First UTC day, YYYY-MM-DD; default the first of this month.'),
  to: day.optional().describe('Last UTC day, included; default today.'),
  key_id: z
    .string()
    .regex(/^(?:key_[0-9a-f]{12}|none)$/, { error: 'must be an id such as key_0123456789ab' })
    .optional()
    .describe('One key; others than the own need an admin key. Admins see all keys without it.'),
});

const quota = z.object({
  limit: z.number().describe('Seconds of audio in the period.'),
  used: z.number(),
  remaining: z.number(),
  resets_at: z.int().describe('Unix seconds.'),
});

export const usageResponse = z
  .object({
    object: z.literal('usage'),
    key_id: z.string().nullable().describe('Whose usage; null: all keys.'),
    from: z.string(),
    to: z.string(),
    requests: z.int(),
    audio_seconds: z.number().describe('To the millisecond.'),
    data: z.array(
      z.object({
        day: z.string(),
        key_id: z.string(),
        model: z.string(),
        requests: z.int(),
        audio_seconds: z.number(),
      }),
    ),
    limits: z
      .object({
        requests_per_minute: z.int().nullable(),
        audio_seconds_day: quota.nullable(),
        audio_seconds_month: quota.nullable(),
      })
      .describe('Of the key that asks; null: none.'),
  })
  .describe('What was transcribed; failed requests cost nothing and do not appear.');

export type UsageResponse = z.infer<typeof usageResponse>;
