import type { FastifyRequest } from 'fastify';
import { AbortedError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Upload } from './upload.ts';

/** Receives an upload and keeps the figures of it. */
export async function observeUpload(
  request: FastifyRequest,
  metrics: Metrics,
  receive: () => Promise<Upload>,
): Promise<Upload> {
  const startMs = performance.now();
  metrics.uploads.inc();
  try {
    const upload = await receive();
    metrics.uploadBytes.inc(upload.file?.sizeBytes ?? 0);
    return upload;
  } catch (error) {
    if (error instanceof AbortedError) metrics.cancelled.inc();
    throw error;
  } finally {
    metrics.uploads.dec();
    request.timings.add('upload', (performance.now() - startMs) / 1000);
  }
}
