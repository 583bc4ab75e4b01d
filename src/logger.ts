import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';

/** JSON lines on stdout by default. Keys never reach a log line: the headers that carry them are cut out whatever logs them. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: stdSerializers.err },
    redact: [
      'req.headers.authorization',
      'req.headers["api-key"]',
      '*.authorization',
      '*.apiKey',
      '*.apiKeys',
    ],
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
