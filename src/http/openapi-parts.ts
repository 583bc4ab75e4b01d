import { z } from 'zod';

/** Names in the document's `components.schemas`. */
export type SchemaName =
  | 'Error'
  | 'Model'
  | 'ModelDeleted'
  | 'ModelList'
  | 'ModelPull'
  | 'ModelPullEvent'
  | 'ModelPullList'
  | 'ModelPullRequest'
  | 'ModelState'
  | 'ModelVerification'
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

/** The path parameter of one model. */
export const MODEL_PARAMETER = {
  name: 'model',
  in: 'path',
  required: true,
  description: 'Id or alias; slashes may stand raw or as %2F.',
  schema: { type: 'string' },
};
