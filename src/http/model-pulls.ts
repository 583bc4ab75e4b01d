import type { FastifyBaseLogger } from 'fastify';
import { StenographerError } from '../errors.ts';
import type { InstallOptions, ModelLibrary } from '../models/library.ts';
import type { ModelPullEvent, ModelPullResponse } from './schemas/model-pull.ts';

/** Downloads that requests have begun. They belong to the server: a client that leaves ends none. */
export interface ModelPulls {
  /** Begins a download or joins the one that runs. Throws what would refuse it before any connection. */
  start(name: string, options: Pick<InstallOptions, 'force' | 'acceptLicence'>): ModelPull;
  /** Those that run, and the last ones that ended; the newest first. */
  list(): readonly ModelPullResponse[];
}

export interface ModelPull {
  state(): ModelPullResponse;
  /** States as they change, not more than four a second; ends with the download, by throwing what made it fail. */
  events(): AsyncGenerator<ModelPullEvent>;
}

const REMEMBERED = 50;
const EVENT_INTERVAL_MS = 250;

export function createModelPulls(library: ModelLibrary, log: FastifyBaseLogger): ModelPulls {
  const pulls: PullRecord[] = [];
  return {
    start(name, options) {
      const id = library.resolve(name).id;
      const running = pulls.find((pull) => pull.state().model === id && pull.state().finished_at === null);
      if (running !== undefined) return running;
      const there = library.checkInstall(id, options);
      if (there !== undefined) return finishedPull(id, there.sizeBytes);
      const pull = new PullRecord(id);
      pulls.unshift(pull);
      pulls.splice(REMEMBERED);
      log.info({ model: id }, 'a model is downloaded');
      void pull.follow(library, options, log);
      return pull;
    },
    list: () => pulls.map((pull) => pull.state()),
  };
}

class PullRecord implements ModelPull {
  #state: ModelPullResponse;
  #error: unknown;
  #wake: (() => void)[] = [];

  constructor(model: string) {
    this.#state = {
      object: 'model.pull',
      model,
      status: 'downloading',
      received_bytes: 0,
      total_bytes: 0,
      started_at: unixSecond(),
      finished_at: null,
      error: null,
    };
  }

  state(): ModelPullResponse {
    return this.#state;
  }

  /** Never rejects. */
  async follow(library: ModelLibrary, options: InstallOptions, log: FastifyBaseLogger): Promise<void> {
    const { model } = this.#state;
    try {
      const { sizeBytes } = await library.install(model, {
        ...options,
        onProgress: ({ state, receivedBytes, totalBytes }) =>
          this.#change({ status: state, received_bytes: receivedBytes, total_bytes: totalBytes }),
      });
      log.info({ model, sizeBytes }, 'a model was downloaded');
      this.#finish({ status: 'installed', received_bytes: sizeBytes, total_bytes: sizeBytes });
    } catch (error) {
      log.warn({ model, err: error }, 'a model could not be downloaded');
      this.#error = error;
      const code = error instanceof StenographerError ? error.code : 'internal_error';
      const message =
        error instanceof StenographerError ? error.message : 'The server had an error; its log tells more.';
      this.#finish({ status: code === 'aborted' ? 'cancelled' : 'failed', error: { code, message } });
    }
  }

  async *events(): AsyncGenerator<ModelPullEvent> {
    let told: ModelPullResponse | undefined;
    let toldMs = 0;
    while (this.#state.finished_at === null) {
      if (this.#state !== told && performance.now() - toldMs >= EVENT_INTERVAL_MS) {
        told = this.#state;
        toldMs = performance.now();
        yield { type: 'model.pull.progress', pull: told };
      } else await this.#changed(told === this.#state ? undefined : EVENT_INTERVAL_MS);
    }
    if (this.#error !== undefined) throw this.#error;
    yield { type: 'model.pull.done', pull: this.#state };
  }

  #finish(change: Partial<ModelPullResponse>): void {
    this.#change({ ...change, finished_at: unixSecond() });
  }

  #change(change: Partial<ModelPullResponse>): void {
    this.#state = { ...this.#state, ...change };
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Resolves with the next change; with a time, then at the latest, and a change before that is only waited for when it is the end. */
  #changed(atLatestMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = atLatestMs === undefined ? undefined : setTimeout(resolve, atLatestMs);
      this.#wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** For a model that is here already. */
function finishedPull(model: string, sizeBytes: number): ModelPull {
  const now = unixSecond();
  const state: ModelPullResponse = {
    object: 'model.pull',
    model,
    status: 'installed',
    received_bytes: sizeBytes,
    total_bytes: sizeBytes,
    started_at: now,
    finished_at: now,
    error: null,
  };
  return {
    state: () => state,
    async *events() {
      yield { type: 'model.pull.done', pull: state };
    },
  };
}

function unixSecond(): number {
  return Math.floor(Date.now() / 1000);
}
