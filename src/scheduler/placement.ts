import type { InferenceTask } from './inference-protocol.ts';

/** What the choice of a process goes by. */
export interface HostState {
  /** `express` takes only what is urgent. */
  readonly lane: 'express' | 'any';
  readonly ready: boolean;
  readonly detects: number;
  readonly chunks: number;
  /** Most chunks it works on together. */
  readonly capacity: number;
  /** Some of its tasks are not urgent. */
  readonly longWork: boolean;
  /** It runs a task that may have killed another process, and must have nothing beside it. */
  readonly suspect: boolean;
}

export interface PlacementOptions {
  /** How many processes urgent work may use: as many as there are cores. */
  readonly processes: number;
  /** Suspects wait for a process without any work. */
  readonly suspectsWait: boolean;
}

/** Voice detections that one process holds at once. */
const MOST_DETECTS = 4;

/**
 * The index of the process that a task goes to, or undefined to let it wait. Urgent work goes where no long work is, else wherever
 * there is room, to the express process when several are alike; no more processes than configured work on it, so that with the
 * express one among them each has a core.
 */
export function placeTask(
  task: { readonly kind: InferenceTask['kind']; readonly urgent: boolean },
  hosts: readonly HostState[],
  { processes, suspectsWait }: PlacementOptions,
): number | undefined {
  const withRoom = (index: number): boolean => {
    // Suspects need a process for themselves: the last one is left to run dry for them.
    if (suspectsWait && index === hosts.length - 1) return false;
    const host = hosts[index];
    return host !== undefined && hasRoom(host, task.kind);
  };
  const all = [...hosts.keys()];
  if (!task.urgent)
    return leastLoaded(
      hosts,
      all.filter((index) => hosts[index]?.lane === 'any' && withRoom(index)),
    );
  const first = all.slice(0, processes);
  const possible = (first.some((index) => hosts[index]?.ready) ? first : all).filter(withRoom);
  const undisturbed = possible.filter((index) => hosts[index]?.longWork === false);
  return leastLoaded(hosts, undisturbed) ?? leastLoaded(hosts, possible);
}

/** For a suspect: a process that holds nothing. The express one is kept for those who did no harm. */
export function placeSuspect(hosts: readonly HostState[]): number | undefined {
  const index = hosts.findIndex((host) => host.lane === 'any' && host.ready && load(host) === 0);
  return index < 0 ? undefined : index;
}

/** A voice detection joins however many chunks are there: it takes milliseconds and is done before the next decoder step. */
function hasRoom(host: HostState, kind: InferenceTask['kind']): boolean {
  if (!host.ready || host.suspect) return false;
  return kind === 'detect' ? host.detects < MOST_DETECTS : host.chunks < host.capacity;
}

function leastLoaded(hosts: readonly HostState[], indexes: readonly number[]): number | undefined {
  const loadAt = (index: number): number => {
    const host = hosts[index];
    return host === undefined ? 0 : load(host);
  };
  return indexes.reduce<number | undefined>(
    (least, index) => (least === undefined || loadAt(index) < loadAt(least) ? index : least),
    undefined,
  );
}

function load(host: HostState): number {
  return host.detects + host.chunks;
}
