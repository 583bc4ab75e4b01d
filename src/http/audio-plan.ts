import type { RenderOptions, ResponseFormat } from '../formats/response-format.ts';
import type { ModelRegistry } from '../models/registry.ts';
import type { TranscribeOptions, Transcriber } from '../transcribe/transcriber.ts';

/** What a valid form asks for: the work, and the shape of its answer. */
export interface AudioPlan {
  readonly options: Omit<TranscribeOptions, 'signal' | 'key'>;
  readonly format: ResponseFormat;
  readonly render: RenderOptions;
  /** Answer with server-sent events. */
  readonly stream: boolean;
  /** What cannot be honoured, as far as it is known before the work. */
  readonly warnings: readonly string[];
}

/** What a form is checked against. */
export interface PlanContext {
  /** Model of requests that name none; without one `model` is required. */
  readonly defaultModel: string | undefined;
  readonly models: ModelRegistry;
  readonly transcriber: Pick<Transcriber, 'abilities'>;
}
