import { type UpstreamOptions, upstreamsSchema } from '../../src/upstream/upstream-options.ts';
import { startTestServer, type TestServer, type TestServerOptions } from './test-server.ts';

export interface GatewayOptions extends TestServerOptions {
  /** Settings of upstreams by name; what is missing has its default. */
  readonly upstreams: Readonly<Record<string, Partial<UpstreamOptions>>>;
  readonly routes: Record<string, string[]>;
}

/** A test server that sends some models elsewhere. */
export function startGateway({ upstreams, routes, config, ...options }: GatewayOptions): Promise<TestServer> {
  return startTestServer({
    ...options,
    config: { ...config, upstreams: upstreamsSchema.parse(upstreams), routes },
  });
}

/** WAV of silence with 16 kHz, 16 bits: what every reader agrees on. Other seeds are other sounds. */
export function wavRecording(seconds: number, seed = 0): Buffer {
  const data = Buffer.alloc(Math.round(seconds * 16_000) * 2, seed);
  const header = Buffer.alloc(44);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + data.length, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(16_000, 24);
  header.writeUInt32LE(32_000, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(data.length, 40);
  return Buffer.concat([header, data]);
}
