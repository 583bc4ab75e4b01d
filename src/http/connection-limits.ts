import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { isLoopbackHost } from './loopback.ts';

export interface ConnectionLimits {
  /** Most connections at once. */
  readonly maximum: number;
  /** Most of one address; 0 is no limit. This machine's own addresses have none: a proxy here brings everybody. */
  readonly perAddress: number;
  /** Told of a connection that was closed unanswered, at most once a minute. */
  readonly onRefused: (setting: 'maxConnections' | 'maxConnectionsPerAddress') => void;
}

const REPORT_INTERVAL_MS = 60_000;

/**
 * Connections beyond the limits are closed at once, without an answer: reading a request first would give who opens them what they
 * are after.
 */
export function limitConnections(server: Server, limits: ConnectionLimits): void {
  const open = new Map<string, number>();
  let reportedMs = Number.NEGATIVE_INFINITY;
  server.maxConnections = limits.maximum;
  server.on('drop', () => report('maxConnections'));
  server.prependListener('connection', (socket: Socket) => {
    const address = socket.remoteAddress;
    if (limits.perAddress === 0 || address === undefined || isLoopbackHost(address)) return;
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
    if (count <= limits.perAddress) return;
    socket.destroy();
    report('maxConnectionsPerAddress');
  });

  function report(setting: 'maxConnections' | 'maxConnectionsPerAddress'): void {
    const nowMs = performance.now();
    if (nowMs - reportedMs < REPORT_INTERVAL_MS) return;
    reportedMs = nowMs;
    limits.onRefused(setting);
  }
}
