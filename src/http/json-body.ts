import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { InvalidRequestError, StenographerError } from '../errors.ts';
import { sendContinue } from './expect-continue.ts';

const MAXIMUM_BYTES = 64 * 1024;
const TIMEOUT_MS = 15_000;

/** Reads a small JSON object by its schema. Throws what becomes 400, 408 or 413, with the field at fault. */
export async function readJsonBody<Schema extends z.ZodType>(
  request: FastifyRequest,
  reply: FastifyReply,
  schema: Schema,
): Promise<z.output<Schema>> {
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new StenographerError(
      'unsupported_content_type',
      'Send a JSON object with Content-Type: application/json.',
    );
  sendContinue(request.raw, reply.raw);
  const parsed = schema.safeParse(parse(await readText(request)));
  if (!parsed.success) throw fieldError(parsed.error.issues[0]);
  return parsed.data;
}

async function readText({ raw }: FastifyRequest): Promise<string> {
  const done = new AbortController();
  const late = sleep(TIMEOUT_MS, undefined, { signal: done.signal }).then(
    () => {
      throw new StenographerError('upload_timeout', 'The request body did not arrive in time.');
    },
    () => '',
  );
  try {
    return await Promise.race([collect(raw), late]);
  } finally {
    done.abort();
  }
}

async function collect(body: FastifyRequest['raw']): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    body.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes <= MAXIMUM_BYTES) pieces.push(piece);
      else {
        body.pause().removeAllListeners('data');
        reject(
          new StenographerError('file_too_large', `The request body has more than ${MAXIMUM_BYTES} bytes.`),
        );
      }
    });
    body.once('end', () => resolve(Buffer.concat(pieces).toString('utf8')));
    body.once('error', reject);
    body.once('aborted', () => reject(new StenographerError('invalid_request', 'The body was cut.')));
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new StenographerError('invalid_request', 'The JSON body could not be read: it is not valid JSON.');
  }
}

function fieldError(issue: z.core.$ZodIssue | undefined): StenographerError {
  if (issue?.code === 'unrecognized_keys')
    return new InvalidRequestError(
      issue.keys[0] ?? 'body',
      `Unknown field: ${issue.keys.join(', ').slice(0, 100)}.`,
    );
  const name = issue === undefined || issue.path.length === 0 ? 'body' : String(issue.path[0]);
  return new InvalidRequestError(name, `${name}: ${issue?.message ?? 'it cannot be used'}.`);
}
