import { z } from 'zod';

/** What we read of answers of other services; everything else in them is passed on unread. */

const usageSchema = z.object({ type: z.literal('duration'), seconds: z.number().min(0).max(1e7) });
const timedSchema = z.object({
  duration: z.number().min(0).max(1e7).optional().catch(undefined),
  usage: usageSchema.optional().catch(undefined),
});

/** Seconds of audio that an answer or an event tells: `duration` is exact, `usage` is rounded up. Undefined when it tells none. */
export function toldSeconds(value: unknown): number | undefined {
  const parsed = timedSchema.safeParse(value);
  return parsed.success ? (parsed.data.duration ?? parsed.data.usage?.seconds) : undefined;
}

/** Parsed JSON when it is an object. */
export function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const nullableText = z.string().nullish().catch(undefined);
const envelopeSchema = z.object({
  error: z.object({ message: z.string(), type: nullableText, param: nullableText, code: nullableText }),
});

/** FastAPI's refusals: a text, or a list of validation problems. */
const detailSchema = z.object({
  detail: z.union([
    z.string(),
    z.array(z.object({ msg: z.string(), loc: z.array(z.union([z.string(), z.number()])).optional() })).min(1),
  ]),
});

/** Other shapes that are around: {"error": "..."}, {"message": "..."}. */
const plainSchema = z.union([
  z.object({ error: z.string() }).transform(({ error }) => error),
  z.object({ message: z.string() }).transform(({ message }) => message),
]);

/** A refusal in OpenAI's words. */
export interface WireError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

const MAXIMUM_MESSAGE = 2000;

/** Reads a refusal of any common shape; undefined for what is none, HTML for example. */
export function readWireError(text: string): WireError | undefined {
  const value = jsonObject(text);
  const envelope = envelopeSchema.safeParse(value);
  if (envelope.success) {
    const { message, type, param, code } = envelope.data.error;
    return {
      message: message.slice(0, MAXIMUM_MESSAGE),
      type: type ?? 'invalid_request_error',
      param: param ?? null,
      code: code ?? null,
    };
  }
  const message = detailMessage(value) ?? plainSchema.safeParse(value).data;
  return message === undefined
    ? undefined
    : { message: message.slice(0, MAXIMUM_MESSAGE), type: 'invalid_request_error', param: null, code: null };
}

function detailMessage(value: unknown): string | undefined {
  const detail = detailSchema.safeParse(value).data?.detail;
  if (detail === undefined || typeof detail === 'string') return detail;
  return detail
    .map(({ msg, loc = [] }) => {
      const field = loc.filter((part) => part !== 'body').join('.');
      return field === '' ? msg : `${field}: ${msg}`;
    })
    .join('; ');
}
