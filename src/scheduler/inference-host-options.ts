import type { InferenceHost } from './inference-host.ts';
import type { InferenceResult, InferenceSetup } from './inference-protocol.ts';

export interface InferenceHostOptions {
  readonly setup: InferenceSetup;
  /** A process that has work and says nothing for so long is killed. */
  readonly timeoutMs: number;
  /** The same while it loads its models. */
  readonly loadTimeoutMs: number;
  /** Which work it takes: `express` only what is urgent, `any` all. */
  readonly lane: 'express' | 'any';
  /** Whether it waits for `wake` before its first process. */
  readonly startsResting: boolean;
  /** Whether it gives way to others when the machine is short of cores. */
  readonly stepsBack: boolean;
  /** Most private memory a process may have; default no limit. */
  readonly memoryBytes?: number | undefined;
  /** The child's module; tests give a scripted one. */
  readonly entry?: string | undefined;
  /** A process is up and its models are loaded, or one that did not take tasks takes them again. */
  readonly onReady: (host: InferenceHost) => void;
  /** The process builds something that later starts find ready. */
  readonly onBuild: (name: string) => void;
  /** What an operator should know of how a model runs. */
  readonly onNotice: (model: string, message: string) => void;
  readonly onResult: (host: InferenceHost, id: number, result: InferenceResult | Error) => void;
  /** The process ended unasked. */
  readonly onLost: (host: InferenceHost, loss: HostLoss) => void;
}

/** How a process ended that nobody asked to. */
export interface HostLoss {
  /** Tasks it held. */
  readonly lost: readonly number[];
  readonly reason: string;
  /** Whether its models were loaded. */
  readonly loaded: boolean;
  /** What it said itself about why it cannot load them. */
  readonly failure?: string | undefined;
  /** Killed because it said nothing for too long. */
  readonly silent: boolean;
  /** There was not enough memory for what it held. */
  readonly outOfMemory: boolean;
}
