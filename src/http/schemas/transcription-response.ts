import { z } from 'zod';

const number = (description: string) => z.number().describe(description);

const segmentResponse = z.object({
  id: z.int(),
  seek: z.int().describe('Start of the decoding window in units of 10 ms.'),
  start: number('Seconds.'),
  end: number('Seconds.'),
  text: z.string().describe('With a leading space.'),
  tokens: z.array(z.int()),
  temperature: number('Temperature that produced the text.'),
  avg_logprob: number('Mean log probability of the tokens.'),
  compression_ratio: number('Above 2.4 the text repeats itself.'),
  no_speech_prob: number('0..1.'),
});

/** The JSON answers: `json` has text and usage, `verbose_json` the rest too. */
export const transcriptionResponse = z.object({
  text: z.string().describe('The transcribed text; empty when nothing was said.'),
  usage: z
    .object({ type: z.literal('duration'), seconds: z.int().describe('Seconds of audio, rounded up.') })
    .optional(),
  task: z.literal('transcribe').optional(),
  language: z.string().optional().describe('Lower-case English name of the language.'),
  duration: z.number().optional().describe('Seconds of audio.'),
  segments: z.array(segmentResponse).optional(),
  words: z
    .array(z.object({ word: z.string(), start: number('Seconds.'), end: number('Seconds.') }))
    .optional(),
  warnings: z.array(z.string()).optional().describe('What could not be honoured.'),
});
