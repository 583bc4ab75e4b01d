import { bytesOf, type ModelEntry } from '../models/catalog.ts';
import type { ModelLibrary } from '../models/library.ts';
import { formatBytes } from './output.ts';
import { formatTable } from './table.ts';

export interface ListFlags {
  /** Also what is not here. */
  readonly all?: boolean;
  readonly json?: boolean;
}

/** The text of `steno models list`. */
export function listModels(library: ModelLibrary, { all, json }: ListFlags): string {
  const rows = library
    .models()
    .map((model) => describe(library, model))
    .filter(({ state }) => all === true || state !== 'available');
  return json === true ? `${JSON.stringify(rows, null, 2)}\n` : renderTable(rows);
}

function describe(library: ModelLibrary, model: ModelEntry) {
  const installed = library.get(model.id);
  return {
    id: model.id,
    aliases: model.aliases,
    title: model.title,
    state: installed === undefined ? library.presenceOf(model.id) : stateOf(installed),
    outdated: installed?.outdated ?? false,
    size_bytes: installed?.sizeBytes ?? bytesOf(model),
    memory_bytes: model.memoryBytes,
    languages: model.languages,
    abilities: Object.entries(model.abilities).flatMap(([ability, has]) => (has ? [ability] : [])),
    licence: model.licence,
    ...(model.restriction === undefined ? {} : { licence_restriction: model.restriction }),
    ...(installed?.installedAt === undefined ? {} : { installed_at: installed.installedAt }),
    ...(installed?.repo === undefined ? {} : { source: `${installed.repo}@${installed.revision}` }),
  };
}

function stateOf({ origin }: NonNullable<ReturnType<ModelLibrary['get']>>): string {
  return { bundled: 'bundled', download: 'downloaded', import: 'imported' }[origin];
}

function renderTable(rows: readonly ReturnType<typeof describe>[]): string {
  const head = ['model', 'state', 'size', 'memory', 'languages', 'licence'];
  const lines = rows.map((row) => [
    row.id,
    row.outdated ? `${row.state}, outdated` : row.state,
    formatBytes(row.size_bytes),
    formatBytes(row.memory_bytes),
    row.languages.length > 4 ? `${row.languages.length} languages` : row.languages.join(','),
    row.licence_restriction === undefined ? row.licence : `${row.licence} (restricted)`,
  ]);
  return formatTable([head, ...lines]);
}
