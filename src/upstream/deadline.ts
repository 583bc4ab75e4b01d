import { setMaxListeners } from 'node:events';
import { ConnectionError } from './upstream-client.ts';

/** Time that one request may take, joined with its client's own signal. */
export interface Deadline {
  /** Aborted with a ConnectionError when the time is over, or with the client's reason. */
  readonly signal: AbortSignal;
  readonly leftMs: number;
  /** Gives another span of time from now on. */
  restart(spanMs: number): void;
  /** The work is over: nothing is aborted any more. */
  clear(): void;
}

export function createDeadline(client: AbortSignal, spanMs: number): Deadline {
  const controller = new AbortController();
  // One listener an attempt, and one for each pause.
  setMaxListeners(0, controller.signal);
  const leave = () => controller.abort(client.reason);
  if (client.aborted) leave();
  else client.addEventListener('abort', leave, { once: true });
  let endMs = 0;
  let timer: NodeJS.Timeout | undefined;
  restart(spanMs);

  function restart(nextMs: number): void {
    clearTimeout(timer);
    endMs = performance.now() + nextMs;
    timer = setTimeout(() => controller.abort(new ConnectionError('timeout', 'deadline')), nextMs);
  }

  return {
    signal: controller.signal,
    get leftMs() {
      return Math.max(0, endMs - performance.now());
    },
    restart,
    clear() {
      clearTimeout(timer);
      client.removeEventListener('abort', leave);
    },
  };
}
