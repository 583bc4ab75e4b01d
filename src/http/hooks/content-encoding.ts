import type { FastifyInstance } from 'fastify';
import { StenographerError } from '../../errors.ts';

/** Compressed bodies are refused, never decoded: no client sends them, and a small one can unpack to any size. */
export function addContentEncodingHook(app: FastifyInstance): void {
  app.addHook('onRequest', async (request) => {
    const encoding = request.headers['content-encoding']?.trim().toLowerCase();
    if (encoding === undefined || encoding === '' || encoding === 'identity') return;
    throw new StenographerError(
      'unsupported_content_encoding',
      'Compressed request bodies are not accepted. Send the form without a Content-Encoding header.',
    );
  });
}
