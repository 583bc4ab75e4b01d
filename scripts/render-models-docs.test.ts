import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CATALOG } from '../src/models/catalog.ts';
import { renderModelsDocs } from './render-models-docs.ts';

const page = readFileSync(fileURLToPath(new URL('../docs/models.md', import.meta.url)), 'utf8');

describe('docs/models.md', () => {
  it('says what the catalogue says', () => {
    expect(renderModelsDocs(page)).toBe(page);
  });

  it('has a row and the command for every model', () => {
    for (const { id, bundled } of CATALOG.models) {
      const rows = page.split('\n').filter((line) => line.startsWith(`| \`${id}\` |`));
      expect(rows, id).toHaveLength(1);
      expect(rows[0]).toContain(bundled ? 'is here' : `\`steno models pull ${id}\``);
    }
  });

  it('marks licences that restrict, in the table and by name', () => {
    for (const { id, restriction } of CATALOG.models) {
      const row = page.split('\n').find((line) => line.startsWith(`| \`${id}\` |`));
      expect(row?.includes('**restricted**'), id).toBe(restriction !== undefined);
      expect(page.includes(`- \`${id}\`, `), id).toBe(restriction !== undefined);
    }
  });

  it('writes an outdated table anew and leaves the rest alone', () => {
    const old = page.replace(/\| `whisper-small` \|.*\n/, '').replace('# Models\n', '# Models\n\nBy hand.\n');
    expect(renderModelsDocs(old)).toBe(page.replace('# Models\n', '# Models\n\nBy hand.\n'));
  });

  it('refuses a page without a place for a table', () => {
    expect(() => renderModelsDocs(page.replace('<!-- /models:whisper -->', ''))).toThrow('models:whisper');
  });
});
