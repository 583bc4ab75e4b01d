import { InferenceHost } from './inference-host.ts';
import type { InferenceHostOptions } from './inference-host-options.ts';
import type { SchedulerOptions } from './scheduler-options.ts';

type HostEvents = Pick<InferenceHostOptions, 'onReady' | 'onBuild' | 'onNotice' | 'onResult' | 'onLost'>;

/** The express process first: urgent work goes there when several are alike. */
export function createHosts(options: SchedulerOptions, events: HostEvents): InferenceHost[] {
  const { setup, processes, express = false, stepsBack = express, timeoutMs } = options;
  const { loadTimeoutMs = timeoutMs, entry } = options;
  const lanes = Array.from({ length: processes }, () => 'any' as const);
  return [...(express ? ['express' as const] : []), ...lanes].map(
    (lane) =>
      new InferenceHost({
        lane,
        startsResting: lane === 'express',
        stepsBack: stepsBack && lane === 'any',
        setup,
        timeoutMs,
        loadTimeoutMs,
        memoryBytes: options.memoryBytes,
        entry,
        ...events,
      }),
  );
}
