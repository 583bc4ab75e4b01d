import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderConfigDocs } from './render-config-docs.ts';
import { renderModelsDocs } from './render-models-docs.ts';
import { renderNotices } from './render-notices.ts';

/** Pages that are derived from the code. Writes them; with `--check` only says whether they are current. */
const PAGES: Readonly<Record<string, () => string>> = {
  'docs/configuration.md': renderConfigDocs,
  'docs/models.md': () => renderModelsDocs(),
  'THIRD-PARTY-NOTICES.md': renderNotices,
};

for (const [name, render] of Object.entries(PAGES)) {
  const path = fileURLToPath(new URL(`../${name}`, import.meta.url));
  const page = render();
  if (!process.argv.includes('--check')) writeFileSync(path, page);
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== page) {
    console.error(`${name} is not what the code says. Run npm run docs.`);
    process.exitCode = 1;
  }
}
