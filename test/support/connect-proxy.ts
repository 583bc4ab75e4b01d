import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

export interface ConnectProxy {
  readonly url: string;
  /** `host:port` of each tunnel that was asked for. */
  readonly asked: readonly string[];
  /** What it does with those that come; default `tunnel`. */
  behaviour: 'tunnel' | 'refuse' | 'silence';
  close(): Promise<void>;
}

export interface ConnectProxyOptions {
  /** Where names lead that only the proxy knows; default loopback for all, whatever their name. */
  readonly resolve?: (host: string) => string;
}

/** An HTTP proxy on loopback that makes tunnels and does nothing else: what comes without CONNECT is answered 500. */
export async function startConnectProxy({
  resolve = () => '127.0.0.1',
}: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const asked: string[] = [];
  const server = createServer((_request, response) => void response.writeHead(500).end());
  const sockets = new Set<{ destroy(): void }>();
  server.on('connect', (request, socket, head) => {
    asked.push(request.url ?? '');
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    if (proxy.behaviour === 'silence') return;
    if (proxy.behaviour === 'refuse') {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const target = new URL(`http://${request.url}`);
    const upstream = connect(Number(target.port || 80), resolve(target.hostname), () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const proxy: ConnectProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    behaviour: 'tunnel',
    async close() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
  return proxy;
}
