import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { moonshineLicence, sileroLicence } from './copy-assets.ts';

const LOCK = fileURLToPath(new URL('../package-lock.json', import.meta.url));

/** Licences that may stand in the run-time tree; anything else needs a decision. */
const ALLOWED = [
  'MIT',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'BlueOak-1.0.0',
  '0BSD',
  '(MIT OR CC0-1.0)',
];

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      /** A folder of this repository, such as stubs/empty. */
      link: z.boolean().optional(),
      dev: z.boolean().optional(),
      devOptional: z.boolean().optional(),
    }),
  ),
});

/** The page THIRD-PARTY-NOTICES.md. Throws for a run-time package with a licence that is not allowed. */
export function renderNotices(): string {
  const { packages } = lockSchema.parse(JSON.parse(readFileSync(LOCK, 'utf8')));
  const rows = Object.entries(packages)
    .filter(
      ([path, entry]) =>
        path.startsWith('node_modules/') &&
        entry.link !== true &&
        entry.dev !== true &&
        entry.devOptional !== true,
    )
    .map(([path, entry]) => ({
      name: path.slice(path.lastIndexOf('node_modules/') + 13),
      version: entry.version ?? '',
      licence: entry.license ?? '',
    }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  const refused = rows.filter((row) => !ALLOWED.includes(row.licence));
  if (refused.length > 0)
    throw new Error(
      `Licence not allowed at run time: ${refused.map((row) => `${row.name} (${row.licence})`).join(', ')}.`,
    );
  return `${HEAD}
## Models in this package

### Moonshine Tiny (English), models/bundled/moonshine-tiny

Speech recognition model by Useful Sensors (Moonshine AI), taken unchanged from the npm package @moonshine-ai/moonshine-js.

\`\`\`
${moonshineLicence().trim()}
\`\`\`

### Silero VAD, models/bundled/silero_vad_v5.onnx

Voice activity detector by the Silero Team (https://github.com/snakers4/silero-vad), taken unchanged from the npm package
@ricky0123/vad-web (ISC, https://github.com/ricky0123/vad).

\`\`\`
${sileroLicence().trim()}
\`\`\`

## Libraries installed beside it

npm installs these as packages of their own, each with its licence text inside. They are not copied into this package.

| package | version | licence |
|---|---|---|
${[...new Set(rows.map((row) => `| ${row.name} | ${row.version} | ${row.licence} |`))].join('\n')}

## Programs

Stenographer calls ffmpeg, where it is installed, as a separate program. It is not part of this package; its licence (LGPL or GPL,
depending on how it was built) covers that program alone.
`;
}

const HEAD = `# Third-party notices

<!-- Written by scripts/render-notices.ts from package-lock.json and the models' licences: run npm run docs. -->

Stenographer itself is under the MIT licence, see LICENSE. It ships and uses the work of others:
`;
