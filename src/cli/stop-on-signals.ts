import { EXIT_CODES, type ExitCode } from './exit-codes.ts';

export interface Stop {
  readonly signal: AbortSignal;
  /** The exit code of the signal that came; undefined: none did. */
  code(): ExitCode | undefined;
}

/** The first signal stops the work and cleans up; a second one ends the process as if nobody listened. */
export function stopOnSignals(): Stop {
  const controller = new AbortController();
  let code: ExitCode | undefined;
  const listen = (name: NodeJS.Signals, exitCode: ExitCode): void => {
    process.once(name, () => {
      code = exitCode;
      controller.abort();
    });
  };
  listen('SIGINT', EXIT_CODES.interrupted);
  listen('SIGTERM', EXIT_CODES.terminated);
  return { signal: controller.signal, code: () => code };
}
