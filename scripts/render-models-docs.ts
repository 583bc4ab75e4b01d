import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { capabilitiesOf } from '../src/engines/capabilities.ts';
import { languageName } from '../src/formats/language-names.ts';
import { bytesOf, CATALOG, type ModelEntry } from '../src/models/catalog.ts';

const PAGE = fileURLToPath(new URL('../docs/models.md', import.meta.url));

/** What stands between `<!-- NAME -->` and `<!-- /NAME -->` in the page, which is written by hand otherwise. */
const PARTS: Readonly<Record<string, () => string>> = {
  'models:moonshine': () => renderTable(({ engine }) => engine === 'moonshine'),
  'models:whisper': () => renderTable(({ architecture }) => architecture === 'whisper'),
  'models:parakeet': () => renderTable(({ architecture }) => architecture === 'parakeet'),
  'models:languages': renderLanguages,
  'models:licences': renderLicences,
};

/** The page docs/models.md with its tables written anew from the catalogue. Throws where the page has no place for one. */
export function renderModelsDocs(page = readFileSync(PAGE, 'utf8')): string {
  return Object.entries(PARTS).reduce((text, [name, render]) => {
    const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [from, to] = [text.indexOf(start), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/models.md has no ${start} ... ${end}.`);
    return `${text.slice(0, from + start.length)}\n\n${render()}\n\n${text.slice(to)}`;
  }, page);
}

function renderTable(belongs: (model: ModelEntry) => boolean): string {
  const rows = CATALOG.models
    .filter(belongs)
    .map((model) => [
      `\`${model.id}\``,
      languagesOf(model),
      megabytes(bytesOf(model)),
      `${model.memoryFrom === 'estimate' ? '~' : ''}${megabytes(model.memoryBytes)}`,
      abilitiesOf(model),
      model.speed,
      licenceOf(model),
      model.bundled ? 'is here' : `\`steno models pull ${model.id}\``,
    ]);
  return [
    ['model', 'languages', 'files', 'memory', 'can', 'on a CPU', 'licence', 'get it'],
    Array.from({ length: 8 }, () => '---'),
    ...rows,
  ]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

function languagesOf({ languages }: ModelEntry): string {
  return languages.length > 3
    ? `${languages.length}`
    : languages.map((code) => languageName(code)).join(', ');
}

function abilitiesOf(model: ModelEntry): string {
  const can = capabilitiesOf(model);
  const names = {
    text: true,
    translate: can.translate,
    words: can.words,
    logprobs: can.logprobs,
    prompt: can.prompt,
    keywords: can.keywords,
    'tells the language': can.detectsLanguage,
  };
  return Object.entries(names)
    .filter(([, has]) => has)
    .map(([name]) => name)
    .join(', ');
}

function licenceOf({ licence, licenceUrl, restriction }: ModelEntry): string {
  const name = licenceUrl === undefined ? licence : `[${licence}](${licenceUrl})`;
  return restriction === undefined ? name : `${name}, **restricted**`;
}

/** One list a set of languages; a set that adds a few to an earlier one says only these. */
function renderLanguages(): string {
  const sets: { languages: readonly string[]; ids: string[] }[] = [];
  for (const { id, languages } of CATALOG.models.filter((model) => model.languages.length > 3)) {
    const same = sets.find((set) => set.languages.join() === languages.join());
    if (same === undefined) sets.push({ languages, ids: [id] });
    else same.ids.push(id);
  }
  return sets
    .map(({ languages, ids }, index) => {
      const base = sets
        .slice(0, index)
        .find((set) => set.languages.every((code) => languages.includes(code)));
      const more = languages.filter((code) => base?.languages.includes(code) !== true);
      const names = more.map((code) => `${languageName(code)} (\`${code}\`)`).sort();
      const list = `${base === undefined ? '' : `the ${base.languages.length} above and `}${names.join(', ')}`;
      return wrap(`${ids.map((id) => `\`${id}\``).join(', ')}: ${languages.length} languages: ${list}.`);
    })
    .join('\n\n');
}

/** Lines of at most 140 columns. */
function wrap(text: string): string {
  return text.replace(/(.{1,140})(?: |$)/g, '$1\n').trimEnd();
}

function renderLicences(): string {
  const restricted = CATALOG.models.filter(({ restriction }) => restriction !== undefined);
  return restricted
    .map(({ id, title, licence, restriction }) => `- \`${id}\`, ${title}: ${licence}. ${restriction}`)
    .join('\n');
}

/** Decimal, as disks and hubs count. */
function megabytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
