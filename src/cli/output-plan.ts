import { basename, extname, join } from 'node:path';
import { ConfigError } from '../errors.ts';
import type { ResponseFormat } from '../formats/response-format.ts';

/** Name on the command line for the recording on standard input. */
export const STDIN = '-';

export interface PlannedFile {
  /** As the person typed it; {@link STDIN} for standard input. */
  readonly input: string;
  /** Undefined: standard output. */
  readonly outputPath: string | undefined;
}

export interface PlanOptions {
  readonly format: ResponseFormat;
  readonly output: string | undefined;
  /** Whether `output` is a folder now. */
  readonly outputIsFolder: boolean;
}

const EXTENSIONS: Readonly<Record<ResponseFormat, string>> = {
  json: 'json',
  text: 'txt',
  srt: 'srt',
  verbose_json: 'json',
  vtt: 'vtt',
};

/** Which result goes where. Several files need a folder (or stdout, where the format can follow itself). Throws ConfigError. */
export function planOutputs(
  inputs: readonly string[],
  { format, output, outputIsFolder }: PlanOptions,
): PlannedFile[] {
  if (inputs.filter((input) => input === STDIN).length > 1)
    throw new ConfigError('Standard input (-) can be read only once.');
  if (output === undefined) {
    if (inputs.length > 1 && (format === 'srt' || format === 'vtt'))
      throw new ConfigError(
        `Several ${format} files cannot share standard output. Name a folder with --output.`,
      );
    return inputs.map((input) => ({ input, outputPath: undefined }));
  }
  const intoFolder = outputIsFolder || output.endsWith('/') || inputs.length > 1;
  if (!intoFolder) return inputs.map((input) => ({ input, outputPath: output }));
  return inputs.map((input) => ({
    input,
    outputPath: join(output, `${uniqueStem(input, inputs)}.${EXTENSIONS[format]}`),
  }));
}

/** `talk` for `a/talk.mp3`; `talk.mp3` when `talk.wav` is there too; a second `talk.mp3` is refused. */
function uniqueStem(input: string, inputs: readonly string[]): string {
  const stem = stemOf(input);
  if (inputs.filter((other) => stemOf(other) === stem).length === 1) return stem;
  const name = basename(input);
  if (inputs.filter((other) => basename(other) === name).length > 1)
    throw new ConfigError(
      `Two inputs are named ${name}; their results would overwrite each other. Transcribe them one by one.`,
    );
  return name;
}

function stemOf(input: string): string {
  return input === STDIN ? 'stdin' : basename(input, extname(input));
}
