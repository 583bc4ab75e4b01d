#!/usr/bin/env node
import './small-young-heap.ts';
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addDoctorCommand } from './commands/doctor.ts';
import { addKeysCommand } from './commands/keys.ts';
import { addModelsCommand } from './commands/models.ts';
import { addServeCommand } from './commands/serve.ts';
import { addTranscribeCommand } from './commands/transcribe.ts';
import { addUsageCommand } from './commands/usage.ts';
import { EXIT_CODE_HELP, EXIT_CODES, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { describeError } from './output.ts';

/** A command's action tells its exit code by this; without a call the process goes on (`serve`). */
let exitCode: ExitCode | undefined;

const program = new Command('steno')
  .description(
    'Speech to text on your own machine: a server that speaks the OpenAI audio API, and a command for files.',
  )
  .version(readVersion())
  .exitOverride()
  .showHelpAfterError('(steno --help and steno COMMAND --help list what there is)')
  .addHelpText('after', EXIT_CODE_HELP);

const finish = (code: ExitCode): void => {
  exitCode = code;
};
addServeCommand(program, readVersion());
addTranscribeCommand(program, finish);
addDoctorCommand(program, finish);
addModelsCommand(program, finish);
addKeysCommand(program, finish);
addUsageCommand(program, finish);

// A reader that has seen enough (`steno ... | head`) closes the pipe: nobody is left to tell.
process.stdout.on('error', () => process.exit(EXIT_CODES.output));

try {
  await program.parseAsync();
} catch (error) {
  exitCode = report(error);
}
// Exits by itself, so that a child that hangs cannot keep a finished command open; stdout is written synchronously.
if (exitCode !== undefined) process.exit(exitCode);

function report(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage;
  process.stderr.write(`steno: ${describeError(error)}\n`);
  return exitCodeOf(error);
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
