import { readFileSync } from 'node:fs';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Where the time of a request goes, in the order of its path. */
export const STAGES = ['upload', 'decode', 'load', 'detect', 'queue', 'encode', 'text'] as const;
export type Stage = (typeof STAGES)[number];

/** What is read when somebody asks for the figures. */
export interface MetricSources {
  readonly requestsInside: () => number;
  readonly tasksWaiting: () => number;
  readonly tasksRunning: () => number;
  readonly inferenceProcessIds: () => readonly number[];
  /** 1 for those that are loaded, 0 for others. */
  readonly modelsLoaded?: () => Readonly<Record<string, 0 | 1>>;
  readonly unwrittenUsage: () => number;
  readonly ready: () => boolean;
  readonly upstreams?: () => readonly UpstreamFigures[];
}

/** One service elsewhere, now. */
export interface UpstreamFigures {
  readonly name: string;
  readonly running: number;
  readonly breaker: 'closed' | 'open' | 'half-open';
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Seconds: from a health probe to an hour-long recording. */
const REQUEST_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const LOAD_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
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
      help: 'Time of one transcription in a stage (load: waiting for the model); detect, queue, encode and text are sums over its chunks.',
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
    upstreamRequests: new Counter({
      name: 'steno_upstream_requests_total',
      help: 'HTTP requests to upstreams, by upstream and outcome; retries count anew.',
      labelNames: ['upstream', 'outcome'],
      registers,
    }),
    upstreamSeconds: new Histogram({
      name: 'steno_upstream_request_duration_seconds',
      help: 'From sending a request to an upstream to its whole answer, or to the beginning of a streamed one.',
      labelNames: ['upstream'],
      buckets: REQUEST_BUCKETS,
      registers,
    }),
    upstreamRetries: new Counter({
      name: 'steno_upstream_retries_total',
      help: 'Further attempts at the same upstream.',
      labelNames: ['upstream'],
      registers,
    }),
    fallbacks: new Counter({
      name: 'steno_fallbacks_total',
      help: 'Targets of routes that did not serve, by target and error code, so that the next one was tried.',
      labelNames: ['target', 'code'],
      registers,
    }),
    modelLoads: new Counter({
      name: 'steno_model_loads_total',
      help: 'Loads of models that have processes of their own, by model and outcome: loaded, failed, timeout, cancelled.',
      labelNames: ['model', 'outcome'],
      registers,
    }),
    modelLoadSeconds: new Histogram({
      name: 'steno_model_load_duration_seconds',
      help: 'Time of loads that came to a loaded model.',
      labelNames: ['model'],
      buckets: LOAD_BUCKETS,
      registers,
    }),
    modelUnloads: new Counter({
      name: 'steno_model_unloads_total',
      help: 'Models unloaded, by model and reason: idle, memory (for another model), by-hand, broken, closing.',
      labelNames: ['model', 'reason'],
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
  if (sources.upstreams !== undefined) addUpstreamGauges(registers, sources.upstreams);
  gauge('steno_ready', '1 when /readyz answers 200.', () => (sources.ready() ? 1 : 0));
  gauge('steno_requests_inside', 'Transcriptions admitted and not answered.', sources.requestsInside);
  gauge('steno_tasks_waiting', 'Tasks that wait for an inference process.', sources.tasksWaiting);
  gauge('steno_tasks_running', 'Tasks that inference processes hold.', sources.tasksRunning);
  gauge('steno_usage_rows_unwritten', 'Usage that waits for the store.', sources.unwrittenUsage);
  new Gauge({
    name: 'steno_model_loaded',
    help: '1 for models that are in memory, 0 for others that are installed.',
    labelNames: ['model'],
    registers,
    collect() {
      this.reset();
      for (const [model, loaded] of Object.entries(sources.modelsLoaded?.() ?? {}))
        this.set({ model }, loaded);
    },
  });
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

const BREAKER_STATES = ['closed', 'half-open', 'open'] as const;

function addUpstreamGauges(registers: Registry[], upstreams: () => readonly UpstreamFigures[]): void {
  new Gauge({
    name: 'steno_upstream_requests_running',
    help: 'Requests that upstreams have in work.',
    labelNames: ['upstream'],
    registers,
    collect() {
      for (const { name, running } of upstreams()) this.set({ upstream: name }, running);
    },
  });
  new Gauge({
    name: 'steno_upstream_breaker_state',
    help: "State of an upstream's circuit breaker: 1 for the one it is in.",
    labelNames: ['upstream', 'state'],
    registers,
    collect() {
      for (const { name, breaker } of upstreams())
        for (const state of BREAKER_STATES) this.set({ upstream: name, state }, state === breaker ? 1 : 0);
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
