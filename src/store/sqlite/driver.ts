/**
 * The part of Node's own SQLite that we use. Node 22.13 and later have it inside; older ones get it from a package that carries
 * the same code with prebuilt binaries.
 */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

export type Value = string | number | null;

export interface Statement {
  run(...values: readonly Value[]): { readonly changes: number | bigint };
  get(...values: readonly Value[]): Readonly<Record<string, unknown>> | undefined;
  all(...values: readonly Value[]): Readonly<Record<string, unknown>>[];
}

interface Driver {
  readonly DatabaseSync: new (path: string) => Database;
}

/** Opens or creates a database file; nothing is read yet. */
export async function openDatabase(path: string): Promise<Database> {
  const { DatabaseSync } = builtIn() ?? (await packaged());
  return new DatabaseSync(path);
}

/** Which SQLite this Node takes, for reports. */
export function driverName(): 'node:sqlite' | '@photostructure/sqlite' {
  return builtIn() === undefined ? '@photostructure/sqlite' : 'node:sqlite';
}

/** Undefined on Node before 22.13, where the module is absent or hidden behind a flag. */
function builtIn(): Driver | undefined {
  // Node 20.16 and later, so that a missing module is an answer and no failed import.
  const { getBuiltinModule } = process as { getBuiltinModule?: (name: string) => unknown };
  return withoutExperimentalWarning(() => getBuiltinModule?.('node:sqlite') as Driver | undefined);
}

/** Loading it prints "SQLite is an experimental feature": nothing the operator could act on. All other warnings pass. */
function withoutExperimentalWarning<Result>(load: () => Result): Result {
  const { emitWarning } = process;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).includes('SQLite is an experimental feature')) emitWarning(warning, ...rest);
  }) as typeof emitWarning;
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}

async function packaged(): Promise<Driver> {
  return (await import('@photostructure/sqlite')) as unknown as Driver;
}
