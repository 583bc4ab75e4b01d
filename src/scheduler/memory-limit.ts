import { spawnSync } from 'node:child_process';
import { ConfigError } from '../errors.ts';

/** How to start Node so that it has only so much memory: `execPath` and `execArgv` of `fork`. */
export interface LimitedStart {
  readonly execPath: string;
  readonly execArgv: string[];
}

/**
 * Private memory that a process may have (RLIMIT_DATA): its heaps, and the pages of files it has changed. Files that are only mapped,
 * such as a model's weights, do not count, nor do addresses that are only reserved, of which V8 takes gigabytes.
 */
export function limitMemory(bytes: number, execArgv: readonly string[]): LimitedStart {
  return { execPath: 'prlimit', execArgv: [`--data=${bytes}`, process.execPath, ...execArgv] };
}

/** Tries the limit on a process that does nothing. Throws ConfigError where it cannot be set or leaves Node no room to start. */
export function requireMemoryLimit(bytes: number): void {
  const { execPath, execArgv } = limitMemory(bytes, ['-e', '0']);
  const ended = spawnSync(execPath, execArgv, { stdio: 'ignore', timeout: 10_000 });
  if (ended.status === 0) return;
  throw new ConfigError(
    ended.error === undefined
      ? `STENO_ENGINE_MEMORY_BYTES (--engine-memory-bytes) is ${bytes}: with so little not even an empty process starts.`
      : 'STENO_ENGINE_MEMORY_BYTES (--engine-memory-bytes) needs the program prlimit (package util-linux), which was not found.',
  );
}
