import { z } from 'zod';

/** Names in the document's `components.schemas`. */
export type SchemaName =
  | 'Error'
  | 'Model'
  | 'ModelList'
  | 'Transcription'
  | 'TranscriptEvent'
  | 'Translation'
  | 'Usage';

export function errorAnswerOf(description: string) {
  return jsonAnswer(description, 'Error');
}

export function jsonAnswer(description: string, schema: SchemaName) {
  return { description, content: { 'application/json': { schema: reference(schema) } } };
}

export function reference(schema: SchemaName) {
  return { $ref: `#/components/schemas/${schema}` };
}

/** A schema as a document reader needs it: as sent, before defaults and coercion. */
export function jsonSchema(schema: z.ZodType) {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
}
