/** A model that holds memory, or will in a moment. */
export interface MemoryHolder {
  readonly id: string;
  readonly memoryBytes: number;
  /** `busy`: in use or being loaded; `idle`: could be unloaded; `leaving`: is being unloaded. */
  readonly state: 'busy' | 'idle' | 'leaving';
  /** Since when an idle one has been so; any unit. */
  readonly idleSince: number;
}

/** `fits`: there is room now. `wait`: until something is unloaded or becomes idle. `unload`: those first. */
export type Room =
  | { readonly kind: 'fits' }
  | { readonly kind: 'wait' }
  | { readonly kind: 'unload'; readonly ids: readonly string[] };

/**
 * Where memory for one more model comes from: what is free, then idle models, the one longest idle first. Nothing is unloaded in vain:
 * while the idle ones together are not enough, they stay. A budget of 0 is no limit.
 */
export function findRoom(neededBytes: number, budgetBytes: number, holders: readonly MemoryHolder[]): Room {
  const sum = (some: readonly MemoryHolder[]): number =>
    some.reduce((bytes, { memoryBytes }) => bytes + memoryBytes, 0);
  let missing = sum(holders) + neededBytes - budgetBytes;
  if (budgetBytes === 0 || missing <= 0) return { kind: 'fits' };
  missing -= sum(holders.filter(({ state }) => state === 'leaving'));
  if (missing <= 0) return { kind: 'wait' };
  const idle = holders.filter(({ state }) => state === 'idle').sort((a, b) => a.idleSince - b.idleSince);
  const ids: string[] = [];
  for (const { id, memoryBytes } of idle) {
    if (missing <= 0) break;
    ids.push(id);
    missing -= memoryBytes;
  }
  return missing <= 0 ? { kind: 'unload', ids } : { kind: 'wait' };
}
