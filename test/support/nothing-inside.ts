import { expect } from 'vitest';

/** What an answer must not tell whoever sends bad input: where things lie, what runs, what it is made of. */
const INSIDES: readonly RegExp[] = [
  // Paths and modules.
  /\/(?:tmp|home|root|usr|var|opt|proc|etc)\//,
  /\bnode_modules\b/,
  /\bfile:\/\//,
  /\bnode:[a-z]/,
  /[\w-]+\.[cm]?[tj]s:\d+/,
  // Stacks and errors of the language and the system.
  /^\s+at\s/m,
  /\b(?:Type|Range|Reference|Syntax)Error\b/,
  /\bE(?:NOENT|ACCES|PERM|PIPE|CONN\w+|MFILE|NOSPC|ISDIR)\b/,
  /\berrno\b/i,
  /\bSIG(?:KILL|TERM|SEGV|ABRT)\b/,
  // ffmpeg's own words, and how it is started.
  /ffmpeg version|configuration: --|lib(?:av|sw)\w+ +\d+\./i,
  /\[\w+ @ 0x[0-9a-f]+\]/,
  /0x[0-9a-f]{6,}/,
  /\b(?:prlimit|setpriv)\b/,
  /-(?:protocol|format|codec)_whitelist/,
  // The store.
  /\bSQLITE_|\bSELECT\b.*\bFROM\b|\bINSERT INTO\b/,
  // Values of settings and of the environment.
  /STENO_(?:DATA_DIR|API_KEYS|FFMPEG)\b/,
  /\b(?:HF_TOKEN|PATH=|HOME=)/,
  /\bsk-[\w-]{12,}/,
  // Names of folders that requests are kept in.
  /\b(?:job|server)-[A-Za-z0-9]{6}\b/,
];

/** R28: none of {@link INSIDES} in the text of an answer. */
export function expectNothingInside(text: string, what?: string): void {
  for (const pattern of INSIDES) expect(text, what).not.toMatch(pattern);
}
