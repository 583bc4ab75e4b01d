import { readFileSync } from 'node:fs';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Where the time of a request goes, in the order of its path. */
export const STAGES = ['upload', 'decode', 'detect', 'queue', 'encode', 'text'] as const;
export type Stage = (typeof STAGES)[number];

/** What is read when somebody asks for the figures. */
export interface MetricSources {
  readonly requestsInside: () => number;
  readonly tasksWaiting: () => number;
  readonly tasksRunning: () => number;
  readonly inferenceProcessIds: () => readonly number[];
  readonly unwrittenUsage: () => number;
  readonly ready: () => boolean;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Seconds: from a health probe to an hour-long recording. */
const REQUEST_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const STAGE_BUCKETS = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/**
 * Every figure of the server. Labels come from closed sets (routes by pattern, our error codes, models of the catalogue), never from
 * what a client wrote, so that nobody can fill the memory with them.
 */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'steno_' });

  const metrics = {
    requests: new Counter({
      name: 'steno_http_requests_total',
      help: 'Requests answered, by method, route pattern and status; status 0: the client left before.',
      labelNames: ['method', 'route', 'status'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'steno_http_request_duration_seconds',
      help: 'From the request headers to the last byte of the answer.',
      labelNames: ['route'],
      buckets: REQUEST_BUCKETS,
      registers,
    }),
    rejections: new Counter({
      name: 'steno_rejected_total',
      help: 'Requests refused or failed, by error code.',
      labelNames: ['code'],
      registers,
    }),
    uploads: new Gauge({
      name: 'steno_uploads_in_progress',
      help: 'Request bodies that are being received.',
      registers,
    }),
    uploadBytes: new Counter({
      name: 'steno_upload_bytes_total',
      help: 'Bytes of recordings received whole.',
      registers,
    }),
    audioSeconds: new Counter({
      name: 'steno_audio_seconds_total',
      help: 'Seconds of audio, by model and outcome: completed, stopped (the part done when the client left), failed.',
      labelNames: ['model', 'outcome'],
      registers,
    }),
    cancelled: new Counter({
      name: 'steno_jobs_cancelled_total',
      help: 'Transcriptions stopped because the client left.',
      registers,
    }),
    stageSeconds: new Histogram({
      name: 'steno_stage_duration_seconds',
      help: 'Time of one transcription in a stage; detect, queue, encode and text are sums over its chunks.',
      labelNames: ['stage'],
      buckets: STAGE_BUCKETS,
      registers,
    }),
    tasks: new Counter({
      name: 'steno_tasks_total',
      help: 'Tasks of the inference processes that ended, by kind (detect: voice detection, transcribe: a chunk) and outcome.',
      labelNames: ['kind', 'outcome'],
      registers,
    }),
    batchSize: new Histogram({
      name: 'steno_batch_chunks',
      help: 'Chunks that a process holds, the new one counted, when a chunk is given to it.',
      buckets: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32],
      registers,
    }),
    processesLost: new Counter({
      name: 'steno_inference_restarts_total',
      help: 'Inference processes that ended unasked and were replaced.',
      registers,
    }),
    failedKeys: new Counter({
      name: 'steno_failed_keys_total',
      help: 'Requests with a key that is not known.',
      registers,
    }),
  };

  return {
    ...metrics,
    contentType: registry.contentType,
    /** Adds the figures that are read when asked for; call it once. */
    watch: (sources: MetricSources) => addGauges(registry, sources),
    /** All figures in Prometheus' text format. */
    render: () => registry.metrics(),
  };
}

function addGauges(registry: Registry, sources: MetricSources): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge('steno_ready', '1 when /readyz answers 200.', () => (sources.ready() ? 1 : 0));
  gauge('steno_requests_inside', 'Transcriptions admitted and not answered.', sources.requestsInside);
  gauge('steno_tasks_waiting', 'Tasks that wait for an inference process.', sources.tasksWaiting);
  gauge('steno_tasks_running', 'Tasks that inference processes hold.', sources.tasksRunning);
  gauge('steno_usage_rows_unwritten', 'Usage that waits for the store.', sources.unwrittenUsage);
  new Gauge({
    name: 'steno_process_rss_bytes',
    help: 'Resident memory, by process: server, inference-0 ...',
    labelNames: ['process'],
    registers,
    collect() {
      this.reset();
      this.set({ process: 'server' }, process.memoryUsage.rss());
      for (const [index, pid] of sources.inferenceProcessIds().entries()) {
        const bytes = residentBytes(pid);
        if (bytes !== undefined) this.set({ process: `inference-${index}` }, bytes);
      }
    },
  });
}

/** Of another process; only Linux tells. */
function residentBytes(pid: number): number | undefined {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}
