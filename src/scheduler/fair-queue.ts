/** Whose turn an item takes: keys take turns, and within a key its requests do. */
export interface Turn {
  readonly key: string;
  readonly request: string;
}

/**
 * Waiting items, given out in turns: first each key one, then each request of that key one, oldest first within a request. A
 * request that arrives takes its turn at once however long another one's list is.
 */
export class FairQueue<Item> {
  readonly #keys = new Map<string, Map<string, Item[]>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(item: Item, turn: Turn): void {
    const requests = getOrInsert(this.#keys, turn.key, () => new Map<string, Item[]>());
    getOrInsert(requests, turn.request, () => []).push(item);
    this.#size += 1;
  }

  /** Takes the next item whose turn it is, among those `accepts` lets through. */
  shift(accepts: (item: Item) => boolean = () => true): Item | undefined {
    for (const [key, requests] of this.#keys) {
      for (const [request, items] of requests) {
        const index = items.findIndex(accepts);
        if (index < 0) continue;
        const [item] = items.splice(index, 1);
        // Back of the line, for the request within its key and for the key among keys.
        requests.delete(request);
        if (items.length > 0) requests.set(request, items);
        this.#keys.delete(key);
        if (requests.size > 0) this.#keys.set(key, requests);
        this.#size -= 1;
        return item;
      }
    }
    return undefined;
  }

  /** Forgets an item that waits; false when it is not here. */
  remove(item: Item, turn: Turn): boolean {
    const requests = this.#keys.get(turn.key);
    const items = requests?.get(turn.request);
    const index = items?.indexOf(item) ?? -1;
    if (requests === undefined || items === undefined || index < 0) return false;
    items.splice(index, 1);
    if (items.length === 0) requests.delete(turn.request);
    if (requests.size === 0) this.#keys.delete(turn.key);
    this.#size -= 1;
    return true;
  }
}

function getOrInsert<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const existing = map.get(key);
  if (existing !== undefined) return existing;
  const value = make();
  map.set(key, value);
  return value;
}
