import { InferenceSession } from 'onnxruntime-node';

/**
 * Opens an ONNX file for single-threaded CPU use: a process is the unit of parallelism here, so ONNX Runtime gets one thread
 * and no pool. `run` computes on the calling thread and cannot be cancelled (onnxruntime#28646); only inference processes call this.
 */
export function openSession(
  path: string,
  options: InferenceSession.SessionOptions = {},
): Promise<InferenceSession> {
  return InferenceSession.create(path, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    ...options,
  });
}

export type { InferenceSession };
