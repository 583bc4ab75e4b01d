import type { InferenceHost } from './inference-host.ts';
import type { Job } from './job.ts';
import type { HostState } from './placement.ts';

/** What the choice of a process goes by, for each of `hosts`. */
export function hostStates(hosts: readonly InferenceHost[], jobs: Iterable<Job>): HostState[] {
  const held = new Map<InferenceHost, Job[]>(hosts.map((host) => [host, []]));
  for (const job of jobs) if (job.host !== undefined) held.get(job.host)?.push(job);
  return hosts.map((host) => stateOf(host, held.get(host) ?? []));
}

function stateOf(host: InferenceHost, held: readonly Job[]): HostState {
  const detects = held.filter(({ task }) => task.kind === 'detect').length;
  const batchSizes = Object.values(host.capabilities).map(({ batchSize }) => batchSize);
  return {
    lane: host.lane,
    ready: host.accepting,
    detects,
    chunks: held.length - detects,
    capacity: Math.max(1, ...batchSizes),
    longWork: held.some(({ urgent }) => !urgent),
    suspect: held.some(({ starts }) => starts > 1),
  };
}
