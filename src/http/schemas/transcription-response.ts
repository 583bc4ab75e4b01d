import { z } from 'zod';
import { errorResponse } from './error.ts';

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

const wordResponse = z.object({
  word: z.string().describe('Without outer punctuation when words are the only granularity.'),
  start: number('Seconds.'),
  end: number('Seconds.'),
});

const usage = z
  .object({ type: z.literal('duration'), seconds: z.int().describe('Seconds of audio, rounded up.') })
  .optional();

const logprobs = z
  .array(
    z.object({
      token: z.string().describe('Text of the token, its leading space included.'),
      logprob: number('Natural logarithm of its probability.'),
      bytes: z.array(z.int()).describe('UTF-8 bytes of the token; a token may be a part of a character.'),
    }),
  )
  .optional()
  .describe('With include[]=logprobs.');

const languages = z
  .array(z.object({ code: z.string() }))
  .optional()
  .describe('What was heard, where the model had to detect it; empty where it could not tell.');

const warnings = z.array(z.string()).optional().describe('What could not be honoured.');

const coverage = z.object({
  transcribed: number('Seconds handed to the engine.'),
  silence: number('Seconds without speech.'),
  failed: number('Seconds of speech that are missing in the text.'),
  failed_spans: z.array(z.object({ start: number('Seconds.'), end: number('Seconds.') })),
});

const verboseFields = {
  language: z
    .string()
    .optional()
    .describe('Lower-case English name of the language; `unknown` where nobody can tell.'),
  duration: z.number().optional().describe('Seconds of audio.'),
  segments: z.array(segmentResponse).optional().describe('Absent when words are the only granularity.'),
  x_steno: z
    .object({ coverage })
    .optional()
    .describe('Only when a part could not be transcribed: what became of each second.'),
};

/** The JSON answers: `json` has text, logprobs and usage, `verbose_json` the rest too. */
export const transcriptionResponse = z.object({
  text: z.string().describe('The transcribed text; empty when nothing was said.'),
  logprobs,
  usage,
  languages,
  task: z.literal('transcribe').optional(),
  ...verboseFields,
  words: z.array(wordResponse).optional().describe('With granularity word.'),
  warnings,
});

/** `json` has the text alone, `verbose_json` the rest too. */
export const translationResponse = z.object({
  text: z.string().describe('The English text; empty when nothing was said.'),
  task: z.literal('translate').optional(),
  ...verboseFields,
  warnings,
});

/** What stands in a `data:` line of a stream. */
export const transcriptEvent = z.union([
  z
    .object({
      type: z.literal('transcript.text.delta'),
      delta: z.string().describe('The next piece; joined they are the text.'),
      logprobs,
    })
    .describe('As soon as a piece of text is known.'),
  z
    .object({
      type: z.literal('transcript.text.done'),
      text: z.string(),
      logprobs,
      usage,
      languages,
      warnings,
    })
    .describe('Once, before [DONE].'),
  errorResponse,
]);
