import './no-telemetry.ts';
import { InferenceSession } from 'onnxruntime-node';

/**
 * Opens an ONNX file, or one that is in memory, for single-threaded CPU use: a process is the unit of parallelism here, so ONNX Runtime
 * gets one thread and no pool. `run` computes on the calling thread and cannot be cancelled (onnxruntime#28646); only inference
 * processes call this.
 */
export function openSession(
  model: string | Uint8Array,
  options: InferenceSession.SessionOptions = {},
): Promise<InferenceSession> {
  const all: InferenceSession.SessionOptions = {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // Plans one block of memory for each shape of input and keeps them all: with every length of speech it is much, and no faster.
    enableMemPattern: false,
    logSeverityLevel: 3,
    ...options,
  };
  // Two overloads of one function.
  return typeof model === 'string'
    ? InferenceSession.create(model, all)
    : InferenceSession.create(model, all);
}

export type { InferenceSession };
